"""Makes README.md from nbs/index.ipynb: `python .ci/readme.py`, or with `--check` says whether they agree.

What the site shows and GitHub cannot is put into GitHub's words: links between notebooks become links to the site,
callouts become alerts, hidden cells go. Pictures lie in assets/: those that the notebook links to, as
`../assets/name.gif`, and those its cells draw, which are written there as `index_*`.
"""
import argparse, difflib, re, sys
from configparser import ConfigParser
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter
from traitlets.config import Config

root = Path(__file__).resolve().parent.parent


def site():
    "The address of the rendered site."
    config = ConfigParser(delimiters=['='])
    config.read(root/'settings.ini', encoding='utf-8')
    return config['DEFAULT']['doc_host'] + config['DEFAULT']['doc_baseurl']


def page(link):
    "The site's address for a link to a notebook; nbdev drops the chapter's number from the name."
    folder, name, anchor = re.fullmatch(r'(?:\./)?(.*?)([^/]+)\.ipynb(#.*)?', link).groups()
    return f'{site()}/{folder}{re.sub(r"^[0-9]+[a-zA-Z0-9]*_", "", name.lower())}.html{anchor or ""}'


def alert(match):
    "A Quarto callout as a GitHub alert."
    kind, title, body = match.groups()
    heading = re.match(r'\s*#+ +(.*)\n', body)              # the title may also be the body's first heading
    if heading: title, body = heading[1], body[heading.end():]
    lines = [f'[!{kind.upper()}]', *([f'**{title}**', ''] if title else []), *body.strip().splitlines()]
    return '\n'.join(f'> {line}'.rstrip() for line in lines)


def formulas(text):
    "Formulas as GitHub reads them safely: between dollars alone it takes backslashes, underscores and stars for Markdown."
    parts = re.split(r'(^```.*?^```[^\n]*$|`[^`\n]+`)', text, flags=re.M | re.S)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r'^\$\$\s*(.+?)\s*\$\$$', r'```math\n\1\n```', parts[i], flags=re.M | re.S)
        parts[i] = re.sub(r'(?<![\\$\w`])\$([^\s$`](?:[^$`\n]*[^\s$`])?)\$(?![\w$])', r'$`\1`$', parts[i])
    return ''.join(parts)


def prose(text):
    "A Markdown cell, for GitHub."
    text = formulas(text)
    text = re.sub(r'^:::+ *\{ *\.callout-(\w+)(?:[^}\n]*?title="([^"\n]*)")?[^}\n]*\} *\n(.*?)^:::+ *$', alert, text,
                  flags=re.M | re.S)
    text = re.sub(r'(!\[[^\]]*\]\([^)]*\))\{[^}\n]*\}', r'\1', text)                        # a picture's width and class
    text = re.sub(r'(?<=\]\()(?![a-z]+:)[^)\s]+\.ipynb(?:#[^)\s]*)?(?=\))', lambda match: page(match[0]), text)
    return re.sub(r'(\]\(|\b(?:src|href)=")\.\./', r'\1', text)                            # from nbs/ to the top


def shown(notebook):
    "The cells a reader is to see, with Quarto's directives carried out."
    for cell in notebook.cells:
        options = dict(re.findall(r'^#\| *([\w-]+):? *(.*?) *$', cell.source, flags=re.M))
        if cell.cell_type == 'raw' or options.get('include') == 'false': continue
        if {'hide', 'default_exp'} & set(options): continue
        if cell.cell_type == 'markdown': cell.source = prose(cell.source)
        else:
            cell.source = re.sub(r'^#\|.*\n?', '', cell.source, flags=re.M).strip()
            if options.get('output') == 'false': cell.outputs = []
            cell.outputs = [out for out in cell.outputs if out.get('name') != 'stderr']
            if options.get('echo') == 'false': cell.metadata['transient'] = {'remove_source': True}
        yield cell


def make():
    "README's text, and the pictures its cells drew as {path: bytes}."
    notebook = nbformat.read(root/'nbs'/'index.ipynb', 4)
    notebook.metadata['language_info'] = {'name': 'python'}
    notebook.cells = list(shown(notebook))
    for cell in notebook.cells:
        for data in [out.data for out in cell.get('outputs', []) if 'data' in out]:
            if 'text/html' in data: data['text/html'] = re.sub(r'<style.*?</style>\s*', '', data['text/html'], flags=re.S)
    config = Config()
    config.NbConvertBase.display_data_priority = ['text/markdown', 'image/svg+xml', 'image/png', 'image/jpeg', 'text/html',
                                                  'text/latex', 'text/plain']
    config.ExtractOutputPreprocessor.enabled = True
    exporter = MarkdownExporter(config=config)
    text, resources = exporter.from_notebook_node(notebook, {'unique_key': 'index', 'output_files_dir': 'assets'})
    fences = re.split(r'(^```.*?^```$)', text, flags=re.M | re.S)
    text = ''.join(part if i % 2 else re.sub(r'[ \t]*\n(?:[ \t]*\n)+', '\n\n', part) for i, part in enumerate(fences))
    return text.strip() + '\n', {Path(name).as_posix(): data for name, data in resources.get('outputs', {}).items()}


def differences(text, pictures):
    "What on disk is not as it should be, one line each."
    readme = root/'README.md'
    old = readme.read_text(encoding='utf-8') if readme.exists() else ''
    found = list(difflib.unified_diff(old.splitlines(), text.splitlines(), 'README.md', 'nbs/index.ipynb', lineterm='', n=1))
    found += [f'{name} is not what nbs/index.ipynb shows' for name, data in pictures.items()
              if not (root/name).exists() or (root/name).read_bytes() != data]
    found += [f'assets/{path.name} is no longer in nbs/index.ipynb' for path in sorted((root/'assets').glob('index_*'))
              if f'assets/{path.name}' not in pictures]
    used = re.findall(r'(?:\]\(|src=")(assets/[^)"\s#?]+)', text)
    return found + [f'{name}, which the README shows, is missing' for name in dict.fromkeys(used)
                    if name not in pictures and not (root/name).exists()]


def write(text, pictures):
    "README.md and its pictures, in place of the old ones."
    (root/'README.md').write_text(text, encoding='utf-8', newline='\n')
    for path in (root/'assets').glob('index_*'): path.unlink()
    for name, data in pictures.items():
        (root/name).parent.mkdir(exist_ok=True)
        (root/name).write_bytes(data)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description='Make README.md from nbs/index.ipynb.')
    parser.add_argument('--check', action='store_true', help='write nothing; exit 1 when README.md is out of date')
    args = parser.parse_args()
    made = make()
    if not args.check: write(*made)
    found = differences(*made)
    if found: sys.exit('\n'.join(found[:18]))
