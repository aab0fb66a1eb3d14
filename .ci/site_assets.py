"""Quarto runs this when the site is rendered (see nbs/_quarto.yml). Notebooks link to pictures as `../assets/name`,
from nbs/ to the top of the repository; on the site assets/ lies one level higher, beside the pages of nbs/. And the page
nbs/faces.qmd shows the bundled model, whose networks and page `vae_faces_export` writes to faces/ on the site."""
import os, re, shutil, sys
from pathlib import Path

top = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(top))
from vae_faces.export import export_run

site = Path(os.environ.get('QUARTO_PROJECT_OUTPUT_DIR', '_docs')).resolve()

for page in site.rglob('*.html'):
    up = len(page.relative_to(site).parts) - 1      # folders between the page and the site's top
    old = page.read_text(encoding='utf-8')
    new = re.sub(rf'(?<!\.\./)\.\./((?:\.\./){{{up}}}assets/)', r'\1', old)
    if new != old: page.write_text(new, encoding='utf-8', newline='\n')
if (top/'assets').is_dir(): shutil.copytree(top/'assets', site/'assets', dirs_exist_ok=True)
shutil.rmtree(site/'faces', ignore_errors=True)
export_run('toyfaces-64', site/'faces')
