"""What every change must pass; `.ci/run` calls this where the development tools are installed.

First README's own test command, word for word; then one function per check, run on a copy of the working tree so
that nothing here changes a file. A check raises `Wrong` with what is wrong and how to mend it.
"""
import ast, json, os, re, shutil, signal, subprocess, sys, tempfile, zipfile
from configparser import ConfigParser
from email.parser import Parser
from pathlib import Path

root = Path(__file__).resolve().parent.parent
heavy = ['wandb', 'matplotlib', 'ipywidgets', 'torchvision', 'imageio', 'sklearn', 'scipy', 'umap', 'cv2', 'onnx', 'onnxruntime', 'torchmetrics', 'torch_fidelity', 'lpips'] # not to be imported before they are needed
megabytes = 8                                                             # the wheel may not be larger
minutes = 40                                                              # README's test command may take no longer

config = ConfigParser(delimiters=['='])
config.read(root/'settings.ini', encoding='utf-8')
settings = config['DEFAULT']
commands = dict(re.findall(r'(\S+)\s*=\s*(\S+)', settings['console_scripts']))


class Wrong(Exception):
    "A check's verdict: what is wrong, and how to mend it."


def run(*command, cwd, **kwargs):
    "A program's output, both streams together; `Wrong` with its last lines when it fails."
    done = subprocess.run([str(part) for part in command], cwd=cwd, stdin=subprocess.DEVNULL, text=True, encoding='utf-8',
                          errors='replace', stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)
    if done.returncode: raise Wrong('\n'.join([f'{Path(command[0]).name} ended with status {done.returncode}:',
                                               *done.stdout.strip().splitlines()[-20:]]))
    return done.stdout


def copy_tree(to):
    "The files that git knows or would add, and nothing that lies beside them."
    names = run('git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', cwd=root).split('\0')
    for name in filter(None, dict.fromkeys(names)):
        if not (root/name).is_file(): continue
        (to/name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root/name, to/name)
    return to


def contents(folder):
    "Every file below `folder` as {name: bytes}, less what Python compiled."
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob('*'))
            if path.is_file() and '__pycache__' not in path.parts}


def changed(before, after):
    "The names whose contents differ."
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def notebooks(tree=root):
    "The notebooks that nbdev sees, in the book's order."
    nbs = tree/settings['nbs_path']
    return [path for path in sorted(nbs.rglob('*.ipynb')) if not any(part[0] in '_.' for part in path.relative_to(nbs).parts)]


def cells(path):
    return json.loads(path.read_text(encoding='utf-8'))['cells']


# README's test command

def test_command():
    "The first fenced block under README's heading about tests."
    text = (root/'README.md').read_text(encoding='utf-8') if (root/'README.md').exists() else ''
    found = re.search(r'^##+ [^\n]*\btests?\b[^\n]*$.*?^```\w*\n(.*?)^```', text, flags=re.M | re.S | re.I)
    return re.sub(r'^[$%] ', '', found[1], flags=re.M).strip() if found else None


def run_tests():
    "README's command as a reader would run it; each notebook's outcome as {name: what went wrong, or None}."
    names = [path.relative_to(root).as_posix() for path in notebooks()]
    command = test_command()
    if command is None:
        return dict.fromkeys(names, "README.md has no fenced command under a heading about tests, such as '## Run the tests'")
    print('README.md says:\n\n    ' + command.replace('\n', '\n    ') + '\n', flush=True)
    process = subprocess.Popen(['bash', '-euo', 'pipefail', '-c', command], cwd=root, stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8', errors='replace',
                               start_new_session=True)
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, 60*minutes)
    lines = []
    for line in process.stdout:
        print(line, end='', flush=True)
        lines.append(line)
    status = process.wait()
    signal.setitimer(signal.ITIMER_REAL, 0)
    if status == 0: return dict.fromkeys(names, None if 'Success.' in ''.join(lines) else "the command ended without nbdev_test's 'Success.'")
    if status == -signal.SIGKILL: return dict.fromkeys(names, f'the command was stopped after {minutes} minutes')
    listed = re.search(r'Failed On The Following Notebooks:\n=+\n((?:\t.*\n?)+)', ''.join(lines))
    if not listed: return dict.fromkeys(names, f'the command ended with status {status} before every notebook had run')
    failed = listed[1].split()
    return {name: 'failed: its traceback is above' if Path(name).name in failed else None for name in names}


# The notebooks and what is made from them

def exported(tree):
    "vae_faces/ is what the notebooks export"
    library = tree/settings['lib_path']
    before = contents(library)
    for name in before:
        if name.endswith('.py') and name != '__init__.py': (library/name).unlink()    # so that a module without a notebook is found too
    run('nbdev_export', cwd=tree)
    names = changed(before, contents(library))
    if names: raise Wrong(f'the notebooks do not make {", ".join(names)}.\n'
                          'Change the notebook, never the module; then run nbdev_export and commit (delete a module without a notebook)')


def cleaned(tree):
    "the notebooks are clean"
    nbs = tree/settings['nbs_path']
    before = contents(nbs)
    run('nbdev_clean', cwd=tree)
    names = changed(before, contents(nbs))
    if names: raise Wrong(f'nbdev_clean changes {", ".join(names)}.\nRun nbdev_clean and commit; nbdev_install_hooks makes Jupyter do it')


def sources_are_lines(tree):
    "each cell's source is a list of lines"
    found = [f'{path.name}, cell {i}' for path in notebooks(tree) for i, cell in enumerate(cells(path))
             if not isinstance(cell['source'], list) or ''.join(cell['source']).splitlines(keepends=True) != cell['source']]
    if found: raise Wrong(f'not so in {"; ".join(found)}.\nSave the notebook with Jupyter, then run nbdev_clean')


def outputs_are_fit_to_show(tree):
    "no saved output is an error, a widget without its state, or names a folder of the machine it ran on"
    found = []
    for path in notebooks(tree):
        widgets = json.dumps(json.loads(path.read_text(encoding='utf-8'))['metadata'].get('widgets', {}))
        for i, cell in enumerate(cells(path)):
            for output in cell.get('outputs', []):
                text = json.dumps({k: v for k, v in output.get('data', output).items() if not k.startswith('image/')})
                folder = re.search(r'(/home/|/root/|/Users/|/tmp/|/var/folders/|/site-packages/|\\Users\\)[^\s"\\]*', text)
                if output['output_type'] == 'error': found.append(f'{path.name}, cell {i}: {output["ename"]}')
                elif folder: found.append(f'{path.name}, cell {i}: {folder[0]}')
                widget = output.get('data', {}).get('application/vnd.jupyter.widget-view+json')
                if widget and widget['model_id'] not in widgets: found.append(f'{path.name}, cell {i}: a widget or progress bar that no page can show')
    found = list(dict.fromkeys(found))
    if found: raise Wrong('\n'.join(found) + '\nMend the cell, run the notebook from top to bottom and save it')


def readme(tree):
    "README.md is what nbs/index.ipynb makes"
    try: run(sys.executable, tree/'.ci'/'readme.py', '--check', cwd=tree)
    except Wrong as wrong: raise Wrong(f'{wrong}\nRun `python .ci/readme.py` and commit README.md and assets/')


def site(tree):
    "the site's sidebar lists every notebook, and nbdev.yml is what settings.ini makes"
    import yaml
    nbs = tree/settings['nbs_path']
    listed = re.findall(r'[\w/.-]+\.ipynb', json.dumps(yaml.safe_load((nbs/'sidebar.yml').read_text(encoding='utf-8'))))
    there = [path.relative_to(nbs).as_posix() for path in notebooks(tree)]
    found = [f'sidebar.yml does not list {name}' for name in there if name not in listed]
    found += [f'sidebar.yml lists {name}, which is not there' for name in listed if name not in there]
    found += [f'sidebar.yml lists {name} twice' for name in there if listed.count(name) > 1]
    before = (nbs/'nbdev.yml').read_bytes()
    run(sys.executable, '-c', 'from nbdev.quarto import refresh_quarto_yml; refresh_quarto_yml()', cwd=tree)
    if before != (nbs/'nbdev.yml').read_bytes(): found.append('nbdev.yml does not agree with settings.ini: nbdev_docs makes it')
    if found: raise Wrong('\n'.join(found))


def links(tree=root):
    "every internal link, cross-reference and picture leads somewhere, and every picture has alternative text"
    from links import Tree
    found = list(Tree(tree).broken())
    if found: raise Wrong('\n'.join(found))


def mixed(path):
    "The cells that import amid other code; nbdev runs them to make the page, but not the cells before that they build on."
    for i, cell in enumerate(cells(path)):
        source = ''.join(cell['source'])
        if cell['cell_type'] != 'code' or re.search(r'^#\| *(exports?|exporti|exec_doc)\b|^#\| *eval: *false|nbdev_export\(', source, flags=re.M): continue
        try: body = ast.parse(source).body
        except SyntaxError: continue                                   # magics
        own = [isinstance(node, (ast.Import, ast.ImportFrom)) for node in body]
        if not all(own) and any(isinstance(node, (ast.Import, ast.ImportFrom)) for each in body for node in ast.walk(each)): yield i


def pages(tree):
    "nbdev can make the site's pages"
    code = """
import sys
from pathlib import Path
from nbdev.processors import FilterDefaults
from nbdev.serve_drv import main
folder, said = Path.cwd(), []                           # a notebook may go elsewhere
for name in sys.argv[1:]:
    try: main((Path(name), folder/'page.ipynb', FilterDefaults))
    except Exception as error: said.append(f'{Path(name).name}: {error.__cause__!r}\\n{error}\\n')
(folder/'said.txt').write_text('\\n'.join(said), encoding='utf-8')
"""
    run(sys.executable, '-c', code, *notebooks(tree), cwd=tree, env={**os.environ, 'PYTHONPATH': str(tree)})
    said = (tree/'said.txt').read_text(encoding='utf-8')
    if not said: return
    found = [f'{path.name}: {", ".join(map(str, mixed(path)))}' for path in notebooks(tree) if list(mixed(path))]
    raise Wrong('\n'.join([said, 'For a page nbdev runs every cell that is exported or imports anything, and no other. These cells',
                           'import amid other code, and so may fail; give their imports a cell of their own, above:', *found]))


# The package

def light_imports(tree):
    "importing the library imports none of the heavy packages"
    code = f'''
import importlib, pkgutil, sys
import {settings["lib_path"]} as library
assert library.__path__[0].startswith({str(tree)!r}), library.__path__
for module in [None, *pkgutil.walk_packages(library.__path__, library.__name__ + '.')]:
    if module: importlib.import_module(module.name)
    for name in {heavy}:
        if name in sys.modules: sys.exit(f'importing {{module.name if module else library.__name__}} imports {{name}}')
'''
    try: run(sys.executable, '-c', code, cwd=tree)
    except Wrong as wrong: raise Wrong(f'{wrong}\nImport {", ".join(heavy)} inside the function that needs them')


def build(tree, to):
    "The wheel, built the way a release is: from the source distribution."
    run(sys.executable, '-m', 'build', '--outdir', to, tree, cwd=to)
    return next(to.glob('*.whl'))


def wheel_contents(tree, wheel):
    "the wheel is small, typed and fully described, and holds the library and nothing else"
    size = wheel.stat().st_size/1e6
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        info = next(name for name in names if name.endswith('.dist-info/METADATA'))
        described = Parser().parsestr(archive.read(info).decode('utf-8'))
        entries = archive.read(info.replace('METADATA', 'entry_points.txt')).decode('utf-8')
    library = settings['lib_path']
    found = [f'{name} does not belong in the wheel' for name in names
             if not re.match(rf'{library}/|[^/]+\.dist-info/', name) or re.search(r'\.ipynb$|(^|/)(tests?|nbs)/', name)]
    found += [f'{library}/{name} is missing' for name in {*contents(tree/library), 'py.typed'} if f'{library}/{name}' not in names]
    found += [f'the metadata lacks {field}' for field in ('Name', 'Version', 'Summary', 'Author-email', 'License-Expression', 'Keywords',
              'Requires-Python', 'Requires-Dist', 'Project-URL', 'Provides-Extra', 'Description-Content-Type') if not described[field]]
    if 'Typing :: Typed' not in described.get_all('Classifier', []): found.append('the metadata lacks the classifier Typing :: Typed')
    if size > megabytes: found.append(f'the wheel has {size:.1f} MB; it may have {megabytes}')
    found += [f'{name} is not among its commands' for name in commands if f'{name} = ' not in entries]
    if not any('LICENSE' in name for name in names): found.append('the licence is missing')
    if not described.get_payload().strip(): found.append('README.md is missing from the metadata')
    found += [f'PyPI would not find {link}' for link in re.findall(r'(?:\]\(|\bsrc=")(?!https?:|#|mailto:)([^)"]+)', described.get_payload())]
    if found: raise Wrong('\n'.join(found) + '\nSee setup.py and MANIFEST.in')


def wheel_works(wheel, folder):
    "the wheel installs, imports and runs beside the newest fastcore"
    venv = folder/'venv'
    run(sys.executable, '-m', 'venv', venv, cwd=folder)
    python = next(path for path in [venv/'bin'/'python', venv/'Scripts'/'python.exe'] if path.exists())
    ask = 'import sysconfig; print(sysconfig.get_path("purelib"))'
    ours, new = [Path(run(program, '-c', ask, cwd=folder).strip()) for program in (sys.executable, python)]
    (new/'borrowed.pth').write_text(f'{ours}\n', encoding='utf-8')                # torch and the rest, not installed twice
    run(python, '-m', 'pip', 'install', '--quiet', '--ignore-installed', '--no-deps', '--no-warn-script-location', wheel,
        'fastcore>=2', cwd=folder)
    print('   ', run(python, __file__, 'installed', cwd=folder).strip().replace('\n', '\n    '))


def installed():
    "Imports every module of the installed package and runs its help command; prints the versions."
    import importlib, importlib.metadata as metadata, pkgutil, sysconfig
    library = importlib.import_module(settings['lib_path'])
    if Path(library.__file__).is_relative_to(root): raise Wrong(f'{library.__file__} is not an installed copy')
    modules = [module.name for module in pkgutil.walk_packages(library.__path__, library.__name__ + '.')]
    for name in modules: importlib.import_module(name)
    for name, target in commands.items():
        module, function = target.split(':')
        if module not in modules or not hasattr(importlib.import_module(module), function):
            raise Wrong(f'{name} calls {target}, which does not exist')
    scripts = sysconfig.get_path('scripts')
    program = shutil.which(f'{settings["lib_path"]}_help', path=scripts)
    if program is None: raise Wrong(f'{settings["lib_path"]}_help is not installed in {scripts}')
    text = run(program, cwd=tempfile.gettempdir())
    missing = [name for name in commands if name not in text]
    if missing: raise Wrong(f'{settings["lib_path"]}_help does not mention {", ".join(missing)}')
    versions = ', '.join(f'{name} {metadata.version(name)}' for name in ('torch', 'fastcore', 'numpy'))
    print(f'{len(modules)} modules, {len(commands)} commands; Python {sys.version.split()[0]}, {versions}')


def versions(tree=root):
    "settings.ini, the library, CITATION.cff and CHANGELOG.md name the same version"
    text = lambda name: (tree/name).read_text(encoding='utf-8')
    found = {f'{settings["lib_path"]}/__init__.py': re.search(r"^__version__ = [\"'](.*)[\"']", text(f'{settings["lib_path"]}/__init__.py'), re.M),
             'CITATION.cff': re.search(r'^version: (.*)', text('CITATION.cff'), re.M),
             'CHANGELOG.md': re.search(r'^## (\S+)', text('CHANGELOG.md'), re.M)}
    wrong = [f'{name} says {match[1] if match else "nothing"}' for name, match in found.items() if not match or match[1] != settings['version']]
    if wrong: raise Wrong(f'settings.ini says {settings["version"]}, but ' + ', '.join(wrong) + ".\nnbdev_bump_version and nbdev_export change the first two; "
                          "CHANGELOG.md's first heading is the version that is being made")


def release(tag):
    "The version is the same everywhere, and the tag is its name."
    versions()
    if tag != f'v{settings["version"]}': raise Wrong(f'the tag is {tag}, but settings.ini says {settings["version"]}: the tag must be v{settings["version"]}')


def browse(script):
    "What .ci/explorer.py or .ci/page.py, which drive a browser, says and ends with; 77 where it lacks a program."
    done = subprocess.run([sys.executable, root/'.ci'/script], cwd=root, stdin=subprocess.DEVNULL, text=True, encoding='utf-8',
                          errors='replace', stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    return done.stdout.strip(), done.returncode


# Counting

def check(function, *args):
    "Run one check and say how it went."
    try: function(*args)
    except Exception as error:
        text = str(error) if isinstance(error, Wrong) else f'{type(error).__name__}: {error}'
        print(f'FAIL  {function.__doc__}\n      ' + text.replace('\n', '\n      '), flush=True)
        return False
    print(f'ok    {function.__doc__}', flush=True)
    return True


def everything():
    "Run all of it; the last line counts notebooks and checks."
    status = lambda: run('git', 'status', '--porcelain', cwd=root)
    before, tests = status(), run_tests()
    print()
    for name, problem in tests.items(): print(f'FAIL  {name}: {problem}' if problem else f'ok    {name}')
    results = [problem is None for problem in tests.values()]

    def tidy():
        "the tests leave the working tree as it was"
        if status() != before: raise Wrong(f'git status was:\n{before}and is:\n{status()}Write to a temporary folder instead')
    results.append(check(tidy))

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder).resolve()
        tree, dist = copy_tree(folder/'tree'), folder/'dist'
        dist.mkdir()
        for function in (exported, cleaned, sources_are_lines, outputs_are_fit_to_show, readme, links, site, pages, versions, light_imports):
            results.append(check(function, tree))

        def builds():
            "the wheel builds"
            build(tree, dist)
        results.append(check(builds))
        if results[-1]:
            wheel = next(dist.glob('*.whl'))
            results += [check(wheel_contents, tree, wheel), check(wheel_works, wheel, folder)]

    for script, what in {'explorer.py': 'a browser uses the explorer in a real JupyterLab', 'page.py': 'a browser uses the exported page'}.items():
        said, ended = browse(script)
        def browsed():
            if ended: raise Wrong(said)
        browsed.__doc__ = what
        if ended == 77: print(f'--    {what}: {said}')
        else: results.append(check(browsed))
    print(f'\n{sum(results)} passed, {len(results) - sum(results)} failed')
    return 0 if all(results) else 1


if __name__ == '__main__':
    named = {'installed': installed, 'release': release, 'wheel': lambda wheel: wheel_contents(root, Path(wheel))}
    try: sys.exit(named[sys.argv[1]](*sys.argv[2:]) if sys.argv[1:] else everything())
    except Wrong as wrong: sys.exit(str(wrong))
