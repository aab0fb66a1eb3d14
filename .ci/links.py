"""Does every internal link, cross-reference and picture lead somewhere? `python .ci/links.py` lists those that do not.

Read are the notebooks' Markdown and the Markdown files that GitHub shows. A link inside is one to a file, to a heading,
to a notebook, to a page of the site, or to a file of the repository by its address on GitHub; others are left to their
owners, since nothing here uses the network. A picture without alternative text counts as broken too.
"""
import ast, json, re, sys
from configparser import ConfigParser
from pathlib import Path
from urllib.parse import unquote

code = re.compile(r'^(```+|~~~+).*?^\1[^\n]*$|(`+)(?!`)(?:(?!\n\n).)+?(?<!`)\2(?!`)|\$\$.+?\$\$|(?<!\\)\$[^$\n]+\$', flags=re.M | re.S)
link = re.compile(r'(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(\s*<?([^)\s>]*)>?(?:\s+"[^"]*")?\s*\)')
tag = re.compile(r'<(img|a)\b([^>]*)>')


def pandoc_slug(heading):
    "The anchor that pandoc, and so the site, gives a heading."
    text = re.sub(r'\s+', '-', re.sub(r'[^\w\s.-]', '', heading.lower()).strip())
    return re.sub(r'^[\W\d_]+', '', text) or 'section'                          # up to the first letter


def github_slug(heading):
    "The anchor that GitHub gives a heading."
    return re.sub(r'[^\w\s-]', '', heading.lower()).strip().replace(' ', '-')


def headings(text, slug, highest=1):
    "The anchors of a text: its headings of that level and below, repeated ones numbered, and ids that it sets itself."
    seen, found = {}, {anchor for pattern in (r'\{[^}\n]*#([\w:.-]+)', r'\bid="([^"]+)"') for anchor in re.findall(pattern, text)}
    for heading in re.findall(rf'^#{{{highest},6}} +(.*?)(?: *\{{[^}}]*\}})? *#*$', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S), flags=re.M):
        plain = slug(re.sub(r'`|\*|\$', '', link.sub(r'\2', heading)))
        number = seen[plain] = seen.get(plain, -1) + 1
        found.add(f'{plain}-{number}' if number else plain)
    return found


def links_in(text):
    "(is it a picture, its text, where it leads) for every link of a Markdown text outside code and formulas."
    text = code.sub(' ', text)
    for match in link.finditer(text):
        yield bool(match[1]), match[2], match[3]
        if not match[1]: yield from links_in(match[2])                         # a picture that is a link
    for name, attributes in tag.findall(text):
        given = dict(re.findall(r'(\w+)="([^"]*)"', attributes))
        if name == 'img': yield True, given.get('alt', ''), given.get('src', '')
        elif 'href' in given: yield False, 'a', given['href']


class Tree:
    "What there is to link to."
    def __init__(self, root):
        self.root = Path(root).resolve()
        config = ConfigParser(delimiters=['='])
        config.read(self.root/'settings.ini', encoding='utf-8')
        self.cfg = config['DEFAULT']
        self.nbs = self.root/self.cfg['nbs_path']
        self.site, self.git = self.cfg['doc_host'] + self.cfg['doc_baseurl'], self.cfg['git_url']
        self.notebooks = {path: self.markdown(path) for path in sorted(self.nbs.rglob('*.ipynb'))
                          if not any(part[0] in '_.' for part in path.relative_to(self.nbs).parts)}
        for path in sorted(self.nbs.rglob('*.qmd')): self.notebooks[path] = path.read_text(encoding='utf-8')    # pages that are no notebooks
        self.pages = {self.page(path): path for path in self.notebooks}
        modidx = self.root/self.cfg['lib_path']/'_modidx.py'
        symbols = re.findall(r"\('([\w/]+\.html)#([^']+)'", modidx.read_text(encoding='utf-8'))
        self.symbols = {(page, anchor) for page, anchor in symbols}

    def markdown(self, path):
        cells = json.loads(path.read_text(encoding='utf-8'))['cells']
        return '\n\n'.join(''.join(cell['source']) for cell in cells if cell['cell_type'] == 'markdown')

    def page(self, path):
        "A notebook's page on the site: nbdev drops the number from its name."
        name = re.sub(r'^[0-9]+[a-zA-Z0-9]*_', '', path.stem.lower())
        return (path.parent.relative_to(self.nbs)/f'{name}.html').as_posix()

    def anchor(self, path, anchor):
        "What is wrong with an anchor in a file, or None."
        if not anchor: return None
        if path in self.notebooks:
            there = anchor in headings(self.notebooks[path], pandoc_slug, 2) or (self.page(path), anchor) in self.symbols    # level 1 is the page's title
        elif path.suffix == '.md': there = anchor in headings(path.read_text(encoding='utf-8'), github_slug)
        else: there = re.fullmatch(r'L\d+(-L\d+)?', anchor)
        return None if there else f'{path.name} has no heading or symbol #{anchor}'

    def on_site(self, page, anchor):
        "What is wrong with a page of the site, or None."
        page = page.strip('/') or 'index.html'
        if page in self.pages: return self.anchor(self.pages[page], anchor)
        if page.startswith('assets/') and (self.root/page).is_file(): return None
        if page == 'faces/index.html': return None                 # written when the site is rendered, by site_assets.py
        return f'the site has no page {page}'

    def wrong(self, source, target):
        "What is wrong with a link in a file, or None."
        target, _, anchor = unquote(target).partition('#')
        if target == self.site or target.startswith(self.site + '/'): return self.on_site(target[len(self.site):], anchor)
        raw = f'https://raw.githubusercontent.com/{self.cfg["user"]}/{self.cfg["repo"]}'
        ours = re.match(rf'(?:{re.escape(self.git)}/(?:blob|tree|raw)|{re.escape(raw)})/([^/]+)/(.*)', target)
        if ours:
            path = self.root/ours[2]
            if ours[1] != self.cfg['branch']: return f'the branch is {self.cfg["branch"]}'
            return self.anchor(path, anchor) if path.exists() else f'{ours[2]} is not in the repository'
        if re.match(r'[a-z][a-z0-9+.-]*:|//', target): return None
        if not target: return self.anchor(source, anchor) if anchor else 'leads nowhere'
        if source in self.notebooks and target.endswith('.html'):
            inside = (source.parent/target).resolve()
            return self.on_site(inside.relative_to(self.nbs).as_posix(), anchor) if inside.is_relative_to(self.nbs) else 'is outside the site'
        path = (source.parent/target).resolve()
        if not path.is_relative_to(self.root) or not path.exists(): return 'there is no such file'
        if source in self.notebooks and path not in self.notebooks and not path.is_relative_to(self.root/'assets'):
            return 'the site has neither this page nor this file: give its address on GitHub'
        return self.anchor(path, anchor)

    def broken(self):
        "What is wrong, one line each."
        texts = self.notebooks | {path: path.read_text(encoding='utf-8') for path in
                                  [*sorted(self.root.glob('*.md')), *sorted((self.root/'.github').rglob('*.md'))]}
        for address in re.findall(rf'{re.escape(self.site)}[^\s"]*', (self.nbs/'_quarto.yml').read_text(encoding='utf-8')):
            if wrong := self.wrong(self.nbs/'_quarto.yml', address): yield f'_quarto.yml: {address}: {wrong}'
        for path, text in texts.items():
            name = path.relative_to(self.root).as_posix()
            for picture, words, target in links_in(text):
                if wrong := self.wrong(path, target): yield f'{name}: {target or "an empty link"}: {wrong}'
                if picture and not words.strip(): yield f'{name}: {target}: the picture has no alternative text'
            for chapter in re.findall(r'`(\d\d_[a-z0-9_]+)(?:\.ipynb)?`', text):
                if not any(other.stem == chapter for other in self.notebooks): yield f'{name}: there is no chapter {chapter}'


if __name__ == '__main__':
    found = list(Tree(Path(__file__).resolve().parent.parent).broken())
    sys.exit('\n'.join(found) if found else 0)
