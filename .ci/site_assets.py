"""Quarto runs this when the site is rendered (see nbs/_quarto.yml). Notebooks link to pictures as `../assets/name`,
from nbs/ to the top of the repository; on the site assets/ lies one level higher, beside the pages of nbs/."""
import os, re, shutil
from pathlib import Path

top = Path(__file__).resolve().parent.parent
site = Path(os.environ.get('QUARTO_PROJECT_OUTPUT_DIR', '_docs')).resolve()

for page in site.rglob('*.html'):
    up = len(page.relative_to(site).parts) - 1      # folders between the page and the site's top
    old = page.read_text(encoding='utf-8')
    new = re.sub(rf'(?<!\.\./)\.\./((?:\.\./){{{up}}}assets/)', r'\1', old)
    if new != old: page.write_text(new, encoding='utf-8', newline='\n')
if (top/'assets').is_dir(): shutil.copytree(top/'assets', site/'assets', dirs_exist_ok=True)
