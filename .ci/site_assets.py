"""Quarto runs this when the site is rendered (see nbs/_quarto.yml), and it finishes the pages.

- Notebooks link to pictures as `../assets/name`, from nbs/ to the top of the repository; on the site assets/ lies one
  level higher, beside the pages of nbs/.
- Each picture says its size, so that no text moves when it arrives, and waits until the reader comes near; one on white
  paper is marked, for the dark theme. What it shows is said in words: its caption, or the line of code that drew it.
- Quarto loads two libraries from elsewhere for every page with HTML in an output; no page here uses them.
- The page nbs/faces.qmd shows the bundled model, whose networks and page `vae_faces_export` writes to faces/ on the site.
"""
import base64, html, io, os, re, shutil, sys
from pathlib import Path
from urllib.parse import unquote

from PIL import Image

top = Path(__file__).resolve().parent.parent
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


def picture(tag, text, start, page):
    "An <img> with its size, its words, and its class."
    if alt := not re.search(r'\salt="[^"]', tag) and words(text, start, start + len(tag)):
        tag = re.sub(r'\salt=""', '', tag).replace('<img', f'<img alt="{html.escape(alt)}"', 1)
    source = re.search(r'\ssrc="([^"]+)"', tag)[1]
    if inside := re.match(r'data:image/(?:png|jpeg|gif|webp);base64,', source): file = io.BytesIO(base64.b64decode(source[inside.end():]))
    else: file = page.parent/unquote(source)
    if source.startswith('data:') and not inside or not inside and not (file.is_file() and file.suffix != '.svg'): return tag
    width, height, paper = look(file)
    given = re.search(r'\swidth="(\d+)"', tag)
    if given: tag = tag.replace(given[0], f'{given[0]} height="{round(height*int(given[1])/width)}"') if ' height=' not in tag else tag
    elif not re.search(r'\s(?:width|height|style)=', tag): tag = tag.replace('<img', f'<img width="{width}" height="{height}"', 1)
    if 'loading=' not in tag and start > text.find('<img', text.find('<main')): tag = tag.replace('<img', '<img loading="lazy"', 1)
    if paper: tag = tag.replace('class="', 'class="paper ', 1) if 'class="' in tag else tag.replace('<img', '<img class="paper"', 1)
    return tag


def finish(page):
    "Finish one page."
    up = len(page.relative_to(site).parts) - 1                                             # folders between the page and the site's top
    old = page.read_text(encoding='utf-8')
    new = re.sub(rf'(?<!\.\./)\.\./((?:\.\./){{{up}}}assets/)', r'\1', old)
    new = re.sub(r'<script src="https://cdnjs\.cloudflare\.com/ajax/libs/(?:require\.js|jquery)/[^>]*></script>\n?', '', new)
    new = re.sub(r"<script[^>]*>define\('jquery'.*?</script>\n?", '', new)
    new = re.sub(r'<img\b[^>]*>', lambda match: picture(match[0], match.string, match.start(), page), new)
    if new != old: page.write_text(new, encoding='utf-8', newline='\n')


if __name__ == '__main__':
    sys.path.insert(0, str(top))
    from vae_faces.export import export_run
    shutil.copytree(top/'assets', site/'assets', dirs_exist_ok=True)
    for path in sorted(site.rglob('*.html')): finish(path)
    shutil.rmtree(site/'faces', ignore_errors=True)
    export_run('toyfaces-64', site/'faces')
