"""Are the lower bounds in settings.ini true? `python .ci/oldest.py` tests the notebooks with exactly those versions.

uv (`pip install uv`) resolves every requirement of the package, and of the extras that readers install, to the lowest
version that settings.ini allows, and installs them in an environment of their own. nbdev 2 needs a newer fastcore than
the library does, so nbclient runs the cells that nbdev_test would run.

    python .ci/oldest.py                                every notebook
    python .ci/oldest.py nbs/00_core.ipynb ...          some
    python .ci/oldest.py --versions                     only print the versions
"""
import argparse, os, re, shutil, subprocess, sys, time
from pathlib import Path

from checks import Wrong, notebooks, root, run, settings

home = Path(os.environ.get('XDG_CACHE_HOME', Path.home()/'.cache'))/'vae_faces-oldest'
bounds = [bound for key in ('requirements', 'photos_requirements', 'maps_requirements', 'metrics_requirements') for bound in settings[key].split()]
runner = ['nbclient', 'nbconvert', 'ipykernel']       # what runs the cells, and draws them, may be as new as the old versions let it


def resolve(python):
    "The lowest versions as lines of a requirements file; what the bounds do not name is as new as it may be."
    if shutil.which('uv') is None: raise Wrong('uv is not installed: pip install uv')
    done = subprocess.run(['uv', 'pip', 'compile', '--quiet', '--no-header', '--no-annotate', '--resolution', 'lowest-direct',
                           '--python-version', python, '-'], input='\n'.join(bounds), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode: raise Wrong(done.stderr)
    return done.stdout


def named(pins):
    "Of the lines, those that settings.ini names."
    names = [re.match(r'[\w-]+', bound)[0].replace('_', '-').lower() for bound in bounds]
    return [line for line in pins.split() if line.partition('==')[0] in names]


def install(venv, python, pins):
    "An environment that holds these versions, the library as it is here, and what runs a notebook."
    venv.parent.mkdir(parents=True, exist_ok=True)
    file = venv.parent/'oldest.txt'
    file.write_text(pins, encoding='utf-8')
    run('uv', 'venv', '--quiet', '--allow-existing', '--python', python, venv, cwd=root)
    inside = next(path for path in [venv/'bin'/'python', venv/'Scripts'/'python.exe'] if path.exists())
    run('uv', 'pip', 'install', '--quiet', '--python', inside, '--requirement', file, *runner, cwd=root)
    run('uv', 'pip', 'install', '--quiet', '--python', inside, '--no-deps', '--editable', root, cwd=root)
    return inside


def skipped(source):
    "Whether nbdev_test would pass a cell over: `eval: false`, a flag such as `slow`, or the call that exports."
    return bool(re.search(rf'^#\| *(eval: *false|{"|".join(settings["tst_flags"].split())})\b', source, flags=re.M | re.I)
                or 'nbdev_export(' in source)


def test(path):
    "Runs a notebook's cells in this environment; raises nbclient's error where one fails."
    import nbformat
    from nbclient import NotebookClient
    notebook = nbformat.read(path, 4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == 'code' and not skipped(cell.source)]
    NotebookClient(notebook, kernel_name='python3', timeout=None, resources={'metadata': {'path': str(path.parent)}}).execute()


def test_all(paths):
    "Runs the notebooks one after the other; the last line counts them."
    passed = []
    for path in paths:
        start = time.perf_counter()
        try:
            test(path)
            passed.append(path)
            print(f'ok    {path.name}: {time.perf_counter() - start:.0f} s', flush=True)
        except Exception as error: print(f'FAIL  {path.name}\n{error}', flush=True)
    print(f'\n{len(passed)} passed, {len(paths) - len(passed)} failed')
    return 0 if len(passed) == len(paths) else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('notebooks', nargs='*', type=Path, help='all of them where none is named')
    parser.add_argument('--versions', action='store_true', help='print the versions, and test nothing')
    parser.add_argument('--python', default=settings['min_python'], help='the Python to test with (default: the oldest supported)')
    parser.add_argument('--venv', type=Path, default=home/'venv', help=f'where the environment lies (default: {home}/venv)')
    parser.add_argument('--inside', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args()
    paths = [path.resolve() for path in args.notebooks] or notebooks()
    if args.inside: return test_all(paths)
    pins = resolve(args.python)
    print('\n'.join(named(pins)), flush=True)
    if args.versions: return 0
    python = install(args.venv.absolute(), args.python, pins)
    path = os.pathsep.join([str(python.parent), os.environ['PATH']])
    return subprocess.run([python, __file__, '--inside', *paths], env={**os.environ, 'PATH': path, 'IN_TEST': '1'}).returncode


if __name__ == '__main__':
    try: sys.exit(main())
    except Wrong as wrong: sys.exit(str(wrong))
