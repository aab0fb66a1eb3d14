"""A browser uses the explorer: headless Chromium drives a real JupyterLab through nbs/08_explore.ipynb.

    python .ci/explorer.py [--notebook7] [--pictures FOLDER]

Needs `pip install jupyterlab playwright` (or `notebook`) and Chromium or Chrome on the PATH, or named by CHROMIUM.
Ends with 0 and 'ok ...', with 1 and what is wrong, or with 77 and 'not run: ...' where a program is missing.
"""
import argparse, contextlib, importlib.util, io, json, os, re, shutil, socket, statistics, subprocess, sys, tempfile, time, urllib.request
from pathlib import Path

root = Path(__file__).resolve().parent.parent
chapter, shows = root/'nbs'/'08_explore.ipynb', 'explorer = explore('     # the cell that shows the explorer holds this
skipped, patience = 77, 90                                                # exit status; seconds for the server and the cells


class Wrong(Exception):
    "What the explorer did otherwise than it should."


def missing(notebook7=False):
    "What is not here, in words; '' if nothing."
    server = 'notebook' if notebook7 else 'jupyterlab'
    absent = [name for name in (server, 'ipywidgets', 'jupyterlab_widgets', 'playwright') if importlib.util.find_spec(name) is None]
    if absent: return f'{", ".join(absent)} not installed: pip install {" ".join(absent)}'
    return '' if chromium() else 'no Chromium or Chrome on the PATH: install one, or name it with CHROMIUM=...'


def chromium():
    names = 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'
    return os.environ.get('CHROMIUM') or next(filter(None, map(shutil.which, names)), None)


def opening(folder):
    "The chapter up to the cell that shows the explorer, without outputs, in `folder`."
    notebook = json.loads(chapter.read_text(encoding='utf-8'))
    last = next(i for i, cell in enumerate(notebook['cells']) if shows in ''.join(cell['source']))
    notebook['cells'] = notebook['cells'][:last + 1]
    for cell in notebook['cells']:
        if cell['cell_type'] == 'code': cell.update(outputs=[], execution_count=None)
    (folder/'explorer.ipynb').write_text(json.dumps(notebook), encoding='utf-8')


@contextlib.contextmanager
def server(folder, notebook7, dark):
    "JupyterLab (or Notebook 7) on `folder`, with settings of its own; yields its address."
    settings = folder/'.jupyter'/'settings'/'@jupyterlab'/'apputils-extension'
    settings.mkdir(parents=True)
    (settings/'notification.jupyterlab-settings').write_text('{"fetchNews": "false"}', encoding='utf-8')
    (settings/'themes.jupyterlab-settings').write_text(json.dumps({'theme': f'JupyterLab {"Dark" if dark else "Light"}', 'adaptive-theme': False}), encoding='utf-8')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    own = {f'JUPYTER_{name}_DIR': str(folder/'.jupyter'/name.lower()) for name in ('CONFIG', 'DATA', 'RUNTIME')}
    own |= dict(IPYTHONDIR=str(folder/'.jupyter'/'ipython'), JUPYTERLAB_SETTINGS_DIR=str(folder/'.jupyter'/'settings'),
                JUPYTERLAB_WORKSPACES_DIR=str(folder/'.jupyter'/'workspaces'), PYTHONPATH=str(root), TQDM_DISABLE='1')
    options = ['--no-browser', '--allow-root', f'--ServerApp.port={port}', '--ServerApp.port_retries=0', f'--ServerApp.root_dir={folder}',
               '--IdentityProvider.token=', '--ServerApp.disable_check_xsrf=True', '--ServerApp.password=', '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate',
               '--LabApp.news_url=None', '--LabApp.extension_manager=readonly']
    if notebook7: options = [option.replace('LabApp', 'JupyterNotebookApp') for option in options]
    log = open(folder/'.server.log', 'w')
    process = subprocess.Popen([sys.executable, '-m', 'notebook' if notebook7 else 'jupyterlab', *options], cwd=folder,
                               env=os.environ | own, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait(lambda: answers(f'http://127.0.0.1:{port}/api/status', process), patience, 'the server did not start')
        start_kernel(f'http://127.0.0.1:{port}/api/sessions')
        yield f'http://127.0.0.1:{port}'
    finally:
        process.terminate()
        try: process.wait(10)
        except subprocess.TimeoutExpired: process.kill()
        log.close()


def start_kernel(address):
    "Start the notebook's kernel before the page asks for it: in a hurry JupyterLab may ask its user which kernel to take."
    session = dict(path='explorer.ipynb', name='explorer.ipynb', type='notebook', kernel=dict(name='python3'))
    urllib.request.urlopen(urllib.request.Request(address, json.dumps(session).encode(), {'Content-Type': 'application/json'}), timeout=patience).close()


def answers(address, process):
    if process.poll() is not None: raise Wrong(f'the server ended with status {process.returncode}')
    try: return urllib.request.urlopen(address, timeout=2).status == 200
    except OSError: return False


def wait(true, seconds, otherwise):
    "Wait until `true()` holds; return what it gave."
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := true(): return value
        time.sleep(.1)
    raise Wrong(otherwise)


WATCH = """image => {
    window.seen = [];                                       // when each new picture was ready
    new MutationObserver(() => image.decode().then(() => window.seen.push([performance.now(), image.naturalWidth]), () => 0))
        .observe(image, {attributes: true, attributeFilter: ['src']});
    window.pressed = [];
    document.addEventListener('keydown', () => window.pressed.push(performance.now()), true);
}"""
PIXELS = """image => { const c = document.createElement('canvas'); c.width = image.naturalWidth; c.height = image.naturalHeight;
    const g = c.getContext('2d'); g.drawImage(image, 0, 0); return Array.from(g.getImageData(0, 0, c.width, c.height).data); }"""


IDLE = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'


def run_all(page):
    "Run every cell, when the kernel has started; again if nothing happens."
    page.locator('.jp-Toolbar-kernelName', has_text='Python 3').first.wait_for(timeout=1000*patience)
    page.locator(IDLE).first.wait_for(timeout=1000*patience)
    started = page.locator('.jp-InputPrompt', has_text=re.compile(r'\[(\*|\d+)\]'))
    for _ in range(5):
        for dialog in page.locator('.jp-Dialog').all(): dialog.locator('.jp-mod-accept').click()     # asked before it had a kernel, JupyterLab asks which
        page.locator('.lm-MenuBar-itemLabel', has_text='Run').first.click()
        page.locator('.lm-Menu-itemLabel', has_text=re.compile('^Run All Cells$')).first.click()
        with contextlib.suppress(Wrong): return wait(started.count, 5, 'nothing runs')
    raise Wrong("'Run All Cells' runs nothing")


class User:
    "Somebody at the explorer."
    def __init__(self, page, folder):
        self.page, self.folder = page, folder
        self.box = page.locator('.vae-faces-explorer').first
        self.face = self.box.locator('img').first

    def pixels(self): return self.face.evaluate(PIXELS)
    def button(self, name): return self.box.get_by_role('button', name=name, exact=True)
    def tab(self, name): self.button(name).click()
    def slider(self, i=0): return self.box.locator('[role=slider]:visible').nth(i)
    def pictures(self): return self.page.evaluate('window.seen.length')

    def changed(self, before, what):
        return wait(lambda: (now := self.pixels()) != before and now, 10, f'the face did not change after {what}')


def keys(user, forward, back):
    "Keys move a slider and the face; gives the milliseconds from key to picture."
    before, slider = user.pixels(), user.slider()
    slider.focus()
    start = float(slider.get_attribute('aria-valuetext'))
    user.page.keyboard.press(forward)
    user.changed(before, f'the key {forward}')
    if not float(slider.get_attribute('aria-valuetext')) > start: raise Wrong(f'the key {forward} did not move the slider up')
    user.page.evaluate('window.seen = []; window.pressed = []')
    for i in range(20):
        count = user.pictures()
        user.page.keyboard.press(forward if i%2 else back)
        wait(lambda: user.pictures() > count, 10, 'the face stopped following the keys')
    seen, pressed = user.page.evaluate('[window.seen, window.pressed]')
    return [at - press for (at, _), press in zip(seen, pressed)]


def drag(user):
    "A fast drag: the face follows, and the last picture comes soon after the last movement; gives pictures and milliseconds."
    handle = user.slider(1)
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box['x'] + box['width']/2, box['y'] + box['height']/2
    user.page.mouse.move(x, y)
    user.page.mouse.down()
    user.page.evaluate('window.seen = []')
    for i in range(120): user.page.mouse.move(x + 60*((i % 40)/40 - .5), y)
    end = user.page.evaluate('performance.now()')
    user.page.mouse.up()
    time.sleep(1.5)
    seen = user.page.evaluate('window.seen')
    if len(seen) < 5: raise Wrong(f'a drag of 120 movements gave {len(seen)} pictures')
    if any(width == 0 for _, width in seen): raise Wrong('the picture was empty for a moment: it flickers')
    late = seen[-1][0] - end
    if late > 500: raise Wrong(f'the face still moved {late:.0f} ms after the hand had stopped')
    return len(seen), late


def play(user):
    "The play button moves the face; gives pictures a second."
    user.tab('Morph')
    user.page.evaluate('window.seen = []')
    across = user.box.locator('[role=slider]:visible').first
    start = across.get_attribute('aria-valuetext')
    buttons = user.box.locator('.widget-play button')
    buttons.first.click()
    wait(lambda: user.pictures() > 10, 10, 'play does not advance')
    if across.get_attribute('aria-valuetext') == start: raise Wrong('play does not move the slider')
    count, begun = user.pictures(), time.monotonic()
    time.sleep(2)
    rate = (user.pictures() - count)/(time.monotonic() - begun)
    user.button('Undo').click()
    time.sleep(.5)
    count = user.pictures()
    time.sleep(.5)
    if user.pictures() > count: raise Wrong('undo did not stop the play')
    return rate


def files(user):
    "PNG, GIF, upload, and the code: copied from the page, run, and compared with the file."
    from PIL import Image
    user.tab('Dimensions')
    before = user.pixels()
    user.button('Random').click()
    user.changed(before, 'Random')
    user.slider().focus()
    before = user.pixels()
    user.page.keyboard.press('PageUp')
    user.changed(before, 'the page key')
    user.button('Save PNG').click()
    png = wait(lambda: next(iter(user.folder.glob('face-1.png')), None), 10, 'Save PNG wrote no file')
    user.button('Save GIF').click()
    gif = wait(lambda: next(iter(user.folder.glob('face-1.gif')), None), 30, 'Save GIF wrote no file')
    user.button('Code').click()
    user.button('Copy').click()
    wait(lambda: user.button('Copied').count() == 1, 5, 'Copy did not copy')
    code = user.page.evaluate('navigator.clipboard.readText()')
    done = subprocess.run([sys.executable, '-c', code], cwd=user.folder, env=os.environ | dict(PYTHONPATH=str(root)), capture_output=True, text=True)
    if done.returncode: raise Wrong(f'the code does not run: {done.stderr.strip().splitlines()[-1]}')
    with Image.open(user.folder/'face.png') as made, Image.open(png) as saved, Image.open(gif) as film:
        if made.tobytes() != saved.tobytes(): raise Wrong('the code makes another picture than the one saved')
        if list(saved.convert('RGBA').tobytes()) != user.pixels(): raise Wrong('the picture saved is not the one shown')
        if film.n_frames < 40: raise Wrong(f'the film has {film.n_frames} frames')
    user.button('Code').click()


def photos(user):
    "A file that is no picture gives a line, one that is gives a face."
    user.tab('Photo')
    before = user.pixels()
    def upload(file):
        with user.page.expect_file_chooser() as chooser: user.box.locator('.widget-upload, .jupyter-widget-upload').first.click()
        chooser.value.set_files(file)
    upload(dict(name='notes.txt', mimeType='text/plain', buffer=b'no picture'))
    wait(lambda: user.box.get_by_role('alert').count() == 1, 10, 'no complaint about an upload that is no picture')
    if user.pixels() != before: raise Wrong('the face changed with an upload that is no picture')
    upload(user.folder/'face-1.png')
    user.changed(before, 'an upload')


def use(page, folder, notebook7):
    "Everything a user does; gives what was measured, in words."
    user = User(page, folder)
    user.face.wait_for(timeout=1000*patience)
    page.locator(IDLE).first.wait_for(timeout=1000*patience)
    time.sleep(1)                                           # running cells takes the focus
    user.face.scroll_into_view_if_needed()
    wait(lambda: user.face.evaluate('image => image.naturalWidth') > 0, 10, 'there is no face')
    user.face.evaluate(WATCH)
    user.button('Undo').click()
    wait(lambda: 'nothing to undo' in user.box.inner_text(), 10, 'showing the explorer changed its face')
    times = keys(user, *(['PageUp', 'PageDown'] if notebook7 else ['ArrowRight', 'ArrowLeft']))     # Notebook 7 keeps the arrow keys for itself
    pictures, late = drag(user)
    user.tab('Attributes')
    user.box.get_by_role('checkbox').first.focus()
    page.keyboard.press('Space')
    if not user.box.get_by_role('checkbox').first.is_checked(): raise Wrong('the space bar does not lock')
    rate = play(user)
    files(user)
    photos(user)
    return (f'key to picture {statistics.median(times):.0f} ms (slowest of {len(times)}: {max(times):.0f}); '
            f'{pictures} pictures in a drag, the last {late:.0f} ms after it; {rate:.0f} pictures a second in play')


def photograph(page, folder):
    "Pictures of the explorer's tabs, wide and narrow, light and dark."
    folder.mkdir(parents=True, exist_ok=True)
    box = page.locator('.vae-faces-explorer').first
    for width in (1280, 390):
        page.set_viewport_size(dict(width=width, height=1000))
        for name in ('Components', 'Attributes', 'Morph', 'Dimensions', 'Photo'):
            box.get_by_role('button', name=name, exact=True).click()
            time.sleep(.7)
            page.screenshot(path=folder/f'{name.lower()}-{width}.png')
            box.screenshot(path=folder/f'{name.lower()}-{width}-box.png')


def main():
    parser = argparse.ArgumentParser(description='Drive the explorer with a browser.')
    parser.add_argument('--notebook7', action='store_true', help='in Notebook 7 instead of JupyterLab')
    parser.add_argument('--dark', action='store_true', help='in the dark theme')
    parser.add_argument('--pictures', type=Path, help='only take pictures, into this folder')
    options = parser.parse_args()
    if absent := missing(options.notebook7):
        print(f'not run: {absent}')
        return skipped
    from playwright.sync_api import Error, sync_playwright
    began, said = time.monotonic(), []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, sync_playwright() as playwright:
        folder = Path(folder).resolve()
        opening(folder)
        try:
            with server(folder, options.notebook7, options.dark) as address:
                browser = playwright.chromium.launch(executable_path=chromium(), args=['--no-sandbox'])
                context = browser.new_context(viewport=dict(width=1280, height=1000), permissions=['clipboard-read', 'clipboard-write'],
                                              color_scheme='dark' if options.dark else 'light')
                context.set_default_timeout(10_000)
                page = context.new_page()
                page.on('console', lambda message: said.append(message.text) if message.type == 'error' else None)
                page.on('pageerror', lambda error: said.append(str(error)))
                page.goto(f'{address}/{"notebooks" if options.notebook7 else "doc/tree" if options.pictures else "lab/tree"}/explorer.ipynb')
                run_all(page)
                said.clear()                                              # what the server's own pages say while they load
                if options.pictures:
                    page.locator('.vae-faces-explorer img').first.wait_for(timeout=1000*patience)
                    photograph(page, options.pictures)
                    result = f'pictures in {options.pictures}'
                else: result = use(page, folder, options.notebook7)
                browser.close()
            if said: raise Wrong('errors in the console:\n' + '\n'.join(dict.fromkeys(said)))
        except (Wrong, Error) as error:
            print(f'FAIL  the explorer in a browser: {error}')
            if said: print('console:', *dict.fromkeys(said), sep='\n')
            return 1
    print(f'ok    the explorer in a browser, {time.monotonic() - began:.0f} s: {result}')
    return 0


if __name__ == '__main__': sys.exit(main())
