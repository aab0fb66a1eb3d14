"""Quarto runs this when the site is rendered (see nbs/_quarto.yml), and it finishes the pages.

- Notebooks link to pictures as `../assets/name`, from nbs/ to the top of the repository; on the site assets/ lies one
  level higher, beside the pages of nbs/.
- Each picture says its size, so that no text moves when it arrives, and waits until the reader comes near; one on white
  paper is marked, for the dark theme. What it shows is said in words: its caption, or the line of code that drew it.
- Links to the site itself become relative, so that a copy of it works anywhere. One that nbdev put into a comment in code
  becomes a link, and one to a method that has no heading leads to its class.
- Commands in docstrings come as prose, with a dash for two; they are set as commands again.
- Quarto loads two libraries from elsewhere for every page with HTML in an output; no page here uses them.
- The page nbs/faces.qmd shows the bundled model, whose networks and page `vae_faces_export` writes to faces/ on the site.
"""
import base64, html, io, os, re, shutil, sys
from configparser import ConfigParser
from pathlib import Path
from urllib.parse import unquote

from PIL import Image

top = Path(__file__).resolve().parent.parent
config = ConfigParser(delimiters=['='])
config.read(top/'settings.ini', encoding='utf-8')
address = config['DEFAULT']['doc_host'] + config['DEFAULT']['doc_baseurl']
site = Path(os.environ.get('QUARTO_PROJECT_OUTPUT_DIR', '_docs')).resolve()


def look(path):
    "A picture's width and height, and whether it lies on white: whether two of its corners do."
    with Image.open(path) as image:
        (width, height), rgba = image.size, image.convert('RGBA')
        corners = [rgba.getpixel((x, y)) for x in (0, width - 1) for y in (0, height - 1)]
    return width, height, sum(alpha == 0 or min(colour) > 240 for *colour, alpha in corners) > 1


def words(text, start, end):
    "What a picture without alternative text shows: its caption, or the last line of the code above it."
    caption = re.match(r'(?:(?!</figure>).)*?<figcaption[^>]*>(.*?)</figcaption>', text[end:], re.S)
    if caption: return html.unescape(re.sub(r'<[^>]+>', '', caption[1])).strip()
    code = text.rfind('<code class="sourceCode python">', 0, start)
    if code < 0: return ''
    lines = html.unescape(re.sub(r'<[^>]+>', '', text[code:text.find('</code>', code)])).strip().splitlines()
    return f'What this code draws: {lines[-1].strip()}' if lines else ''


def picture_file(source, page):
    "What an <img> shows, as Pillow takes it: a path, the bytes in the page, or None if it is neither."
    inside = re.match(r'data:image/(?:png|jpeg|gif|webp);base64,', source)
    if inside: return io.BytesIO(base64.b64decode(source[inside.end():]))
    if source.startswith('data:') or source.endswith('.svg'): return None
    path = page.parent/unquote(source)
    return path if path.is_file() else None


def picture(tag, text, start, page):
    "An <img> with its words, its size and its class."
    if not re.search(r'\salt="[^"]', tag) and (alt := words(text, start, start + len(tag))):
        tag = re.sub(r'\salt=""', '', tag).replace('<img', f'<img alt="{html.escape(alt)}"', 1)
    file = picture_file(re.search(r'\ssrc="([^"]*)"', tag)[1], page)
    if file is None: return tag
    width, height, paper = look(file)
    given = re.search(r'\swidth="(\d+)"', tag)
    if given and ' height=' not in tag: tag = tag.replace(given[0], f'{given[0]} height="{round(height*int(given[1])/width)}"', 1)
    elif not re.search(r'\s(?:width|height|style)=', tag): tag = tag.replace('<img', f'<img width="{width}" height="{height}"', 1)
    first = start <= text.find('<img', text.find('<main'))
    if not first and 'loading=' not in tag: tag = tag.replace('<img', '<img loading="lazy"', 1)
    if paper: tag = tag.replace('class="', 'class="paper ', 1) if 'class="' in tag else tag.replace('<img', '<img class="paper"', 1)
    return tag


def scripts(text):
    "A page without the two libraries that Quarto adds for HTML outputs."
    text = re.sub(r'<script src="https://cdnjs\.cloudflare\.com/ajax/libs/(?:require\.js|jquery)/[^>]*></script>\n?', '', text)
    return re.sub(r"<script[^>]*>define\('jquery'.*?</script>\n?", '', text)


def links(text, page, anchors):
    "A page whose links to the site itself are relative, and lead to what there is."
    up = len(page.relative_to(site).parts) - 1                                             # folders between the page and the site's top
    def method(link):
        "A method without a heading of its own: its class."
        there = (page.parent/unquote(link[1])).resolve() if link[1] else page
        known = link[2] + link[3] in anchors.get(there, [link[2] + link[3]])
        return link[0] if known else f'href="{link[1]}#{link[2]}"'
    text = re.sub(rf'(?<!\.\./)\.\./((?:\.\./){{{up}}}assets/)', r'\1', text)
    text = re.sub(r'\[`([^`\]]+)`\]\((https?://[^)\s<]+)\)', r'<a href="\2">\1</a>', text)
    text = re.sub(rf'(<a [^>]*href="){re.escape(address)}/(?=[^"])', rf'\1{"../"*up}', text)
    return re.sub(r'href="([^":#]*)#([a-z_0-9]+)(\.[a-z_0-9]+)"', method, text)


def commands(text):
    "A page whose commands can be copied: options keep their two dashes, and the examples of a docstring their lines."
    def example(paragraph):
        lines = re.split(r' (?=accelerate )|(?<!no_python) (?=vae_faces_)', paragraph[1])
        return f'<div class="sourceCode"><pre class="sourceCode sh"><code class="sourceCode">{chr(10).join(lines)}</code></pre></div>'
    text = re.sub(r'(?<=[\s>(])–(?=[a-z])', '--', text)                                    # a dash that stands before a letter was two
    return re.sub(r'<p>example: (\w.*?)</p>', example, text, flags=re.S)


def finish(page, anchors):
    "Finish one page; `anchors` are those of every page."
    old = page.read_text(encoding='utf-8')
    new = commands(links(scripts(old), page, anchors))
    new = re.sub(r'<img\b[^>]*>', lambda tag: picture(tag[0], tag.string, tag.start(), page), new)
    if new != old: page.write_text(new, encoding='utf-8', newline='\n')


if __name__ == '__main__':
    sys.path.insert(0, str(top))
    from vae_faces.export import export_run
    shutil.copytree(top/'assets', site/'assets', dirs_exist_ok=True)
    pages = sorted(site.rglob('*.html'))
    anchors = {path: set(re.findall(r'\sid="([^"]+)"', path.read_text(encoding='utf-8'))) for path in pages}
    for path in pages: finish(path, anchors)
    shutil.rmtree(site/'faces', ignore_errors=True)
    export_run('toyfaces-64', site/'faces')
