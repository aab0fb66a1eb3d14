"""A browser uses the page that vae_faces_export writes: headless Chromium loads it from a local server.

    python .ci/page.py [--runtime FOLDER] [--pictures FOLDER]

Needs `pip install playwright onnx onnxruntime`, Chromium or Chrome on the PATH, or named by CHROMIUM, and npm, from whose
registry onnxruntime-web comes in place of the CDN (or --runtime, the folder `dist` of that package).
Ends with 0 and 'ok ...', with 1 and what is wrong, or with 77 and 'not run: ...' where a program is missing.
"""
import argparse, functools, http.server, importlib.util, os, re, shutil, statistics, subprocess, sys, tarfile, tempfile, threading, time
from pathlib import Path

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root))
skipped, patience = 77, 30                                                # exit status; seconds for what the page does


class Wrong(Exception):
    "What the page did otherwise than it should."


def chromium():
    names = 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'
    return os.environ.get('CHROMIUM') or next(filter(None, map(shutil.which, names)), None)


def missing(runtime):
    "What is not here, in words; '' if nothing."
    absent = [name for name in ('playwright', 'onnx', 'onnxruntime') if importlib.util.find_spec(name) is None]
    if absent: return f'{", ".join(absent)} not installed: pip install {" ".join(absent)}'
    if runtime is None and not shutil.which('npm'): return 'no npm on the PATH: install it, or give --runtime the folder dist of the npm package onnxruntime-web'
    return '' if chromium() else 'no Chromium or Chrome on the PATH: install one, or name it with CHROMIUM=...'


def from_npm(package, version, files):
    "Those files of an npm package's dist, kept from one run to the next."
    kept = Path(os.environ.get('XDG_CACHE_HOME') or Path.home()/'.cache')/'vae_faces-npm'/f'{package}-{version}'
    if all((kept/name).is_file() for name in files): return kept
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([shutil.which('npm'), 'pack', '--silent', f'{package}@{version}'], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode: return None
        kept.mkdir(parents=True, exist_ok=True)
        with tarfile.open(next(Path(folder).glob('*.tgz'))) as archive:
            for name in files:
                (kept/f'{name}.part').write_bytes(archive.extractfile(f'package/dist/{name}').read())
                os.replace(kept/f'{name}.part', kept/name)
    return kept


class Quiet(http.server.SimpleHTTPRequestHandler):
    "Serves a folder and says nothing."
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {'.js': 'text/javascript', '.onnx': 'application/octet-stream'}
    def log_message(self, *_): pass


def serve(folder):
    "A server for a folder, at work; its address is in `server_address`."
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def site_page(folder):
    "faces.html as the site has it, but for what Quarto puts around it: the HTML in nbs/faces.qmd, beside an exported folder faces/."
    html = re.search(r'^```\{=html\}\n(.*?)^```', (root/'nbs'/'faces.qmd').read_text(encoding='utf-8'), re.M | re.S)[1]
    shutil.copyfile(root/'nbs'/'styles.css', folder/'styles.css')
    (folder/'faces.html').write_text(f'<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,"><link rel="stylesheet" href="styles.css"><body class="quarto-dark">{html}', encoding='utf-8')


def wait(true, seconds, otherwise):
    "Wait until `true()` holds; return what it gave."
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := true(): return value
        time.sleep(.05)
    raise Wrong(otherwise)


# Counts the pictures that reach the face's canvas, and says when each did.
WATCH = """window.drawn = [];
const draw = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...given) {
    if (this.canvas.classList.contains('face')) window.drawn.push(performance.now());
    return draw.apply(this, given); };"""
PIXELS = "face => Array.from(face.getContext('2d').getImageData(0, 0, face.width, face.height).data)"


class User:
    "Somebody at the page."
    def __init__(self, page, url, folder):
        self.page, self.folder = page, folder
        page.goto(url)
        self.face = page.locator('canvas.face')
        self.face.wait_for(timeout=1000*patience)
        self.rest()

    def pixels(self): return self.face.evaluate(PIXELS)
    def button(self, name): return self.page.get_by_role('button', name=name, exact=True)
    def slider(self, name): return self.page.get_by_role('slider', name=name)
    def address(self): return self.page.evaluate('location.href')
    def drawn(self): return self.page.evaluate('window.drawn')
    def says(self, words): wait(lambda: words in self.page.locator('.stage .status').inner_text(), patience, f'the page did not say “{words}”')

    def rest(self):
        "Wait until nothing moves and the address is written."
        last = None
        def still():
            nonlocal last
            now = self.page.evaluate('[location.hash, window.drawn.length]')
            same, last = now == last and now[0].startswith('#f_'), now
            if not same: time.sleep(.5)
            return same
        wait(still, patience, 'the page does not come to rest')

    def changed(self, before, what):
        wait(lambda: self.pixels() != before, patience, f'the face did not change after {what}')


def drag(user, box, seconds=2.):
    "A drag back and forth across a box with the mouse; gives redraws a second."
    page, y = user.page, box['y'] + box['height']/2
    x = lambda t: box['x'] + box['width']*(.5 + .4*(abs(2*t % 2 - 1)*2 - 1))
    before = user.pixels()
    page.mouse.move(x(0), y)
    page.mouse.down()
    page.evaluate('window.drawn = []')
    began = time.monotonic()
    while (t := time.monotonic() - began) < seconds: page.mouse.move(x(t), y)
    drawn = user.drawn()
    page.mouse.up()
    user.changed(before, 'a drag')
    user.rest()
    if len(drawn) < 10: raise Wrong(f'a drag of {seconds} s gave {len(drawn)} pictures')
    return 1000*(len(drawn) - 1)/(drawn[-1] - drawn[0])


def keys(user):
    "Keys move a slider and the puck, and take both back."
    slider = user.slider('Component').first
    before, start = user.pixels(), float(slider.input_value())
    slider.focus()
    for _ in range(10): user.page.keyboard.press('ArrowRight')
    user.changed(before, 'ten arrow keys')
    if not float(slider.input_value()) > start: raise Wrong('the arrow key did not move the slider')
    user.rest()
    user.page.keyboard.press('Control+z')
    user.rest()
    if user.pixels() != before: raise Wrong('undo did not bring the face back')
    puck = user.slider('Place between the four faces')
    puck.focus()
    text = puck.get_attribute('aria-valuetext')
    for key in ('ArrowRight', 'ArrowDown', 'Shift+ArrowLeft'): user.page.keyboard.press(key)
    if puck.get_attribute('aria-valuetext') == text: raise Wrong('keys did not move the puck')
    user.changed(before, 'keys on the pad')
    user.rest()


def touch(user):
    "A finger across the pad moves the face and scrolls nothing."
    pad = user.page.locator('.pad')
    pad.scroll_into_view_if_needed()
    box, before, top = pad.bounding_box(), user.pixels(), user.page.evaluate('scrollY')
    finger = user.page.context.new_cdp_session(user.page)
    at = lambda t: [dict(x=box['x'] + box['width']*(.2 + .6*t), y=box['y'] + box['height']*(.3 + .5*t))]
    finger.send('Input.dispatchTouchEvent', dict(type='touchStart', touchPoints=at(0)))
    user.page.evaluate('window.drawn = []')
    for i in range(30): finger.send('Input.dispatchTouchEvent', dict(type='touchMove', touchPoints=at(i/29)))
    finger.send('Input.dispatchTouchEvent', dict(type='touchEnd', touchPoints=[]))
    user.changed(before, 'a finger across the pad')
    if len(user.drawn()) < 3: raise Wrong('the face did not follow the finger')
    if user.page.evaluate('scrollY') != top: raise Wrong('the finger scrolled the page')
    user.rest()


def png(user):
    "The picture saved is the picture shown."
    from PIL import Image
    user.button('Pixels').click()
    with user.page.expect_download() as download: user.button('Save PNG').click()
    shown = user.pixels()
    with Image.open(download.value.path()) as saved:
        side = int((len(shown)/4)**.5)
        times = saved.width//side
        small = saved.convert('RGBA').resize((side, side), Image.Resampling.NEAREST)
        if saved.width < 512 or saved.width % side or download.value.suggested_filename != 'face.png': raise Wrong(f'the file is {download.value.suggested_filename}, {saved.width} wide')
        if list(small.tobytes()) != shown or small.resize(saved.size, Image.Resampling.NEAREST).tobytes() != saved.convert('RGBA').tobytes(): raise Wrong(f'the picture saved is not the one shown, {times} times larger')
    user.button('Pixels').click()
    return download.value.path()


def photo(user, file):
    "A file that is no picture gives a line, a picture a face."
    before = user.pixels()
    chooser = user.page.locator('input[type=file]')
    chooser.set_input_files(dict(name='notes.txt', mimeType='text/plain', buffer=b'no picture'))
    user.says('is no picture')
    if user.pixels() != before: raise Wrong('the face changed with a file that is no picture')
    user.button('Random face').click()
    user.rest()
    before = user.pixels()
    chooser.set_input_files(dict(name='face.png', mimeType='image/png', buffer=Path(file).read_bytes()))
    user.changed(before, 'a picture')
    user.says('It stayed on this device')
    user.rest()


def buttons(user):
    "Every other button does what it says."
    for name in ('Random face', 'New corners', 'Undo', 'Undo'):
        before = user.pixels()
        user.button(name).click()
        user.changed(before, f'“{name}”')
        user.rest()
    user.page.evaluate('window.drawn = []')
    user.button('Play').click()
    time.sleep(2)
    drawn = user.drawn()
    user.button('Play').click()
    user.rest()
    if len(drawn) < 10: raise Wrong('Play moves nothing')
    user.button('Put this face in the top left corner').click()
    user.says('top left corner now')
    user.button('Reset').click()
    user.rest()
    user.button('Copy link').click()
    user.says('copied')
    if user.page.evaluate('navigator.clipboard.readText()') != user.address(): raise Wrong('Copy link copied something else')


def addresses(user, browser_page, url):
    "An address gives the same pixels on a fresh page, and in a page that is open already; one that is damaged says so."
    shown, address = user.pixels(), user.address()
    other = User(browser_page(), address, user.folder)
    if other.pixels() != shown: raise Wrong('the address does not restore the face')
    if other.address() != address: raise Wrong('the address restored is not the address')
    other.button('Random face').click()
    other.rest()
    if other.pixels() == shown: raise Wrong('a random face is the face before')
    other.page.evaluate('hash => { location.hash = hash; }', address.partition('#')[2])
    wait(lambda: other.pixels() == shown, patience, 'an address put into an open page does not restore the face')
    other.page.close()
    for hash, words in (('f_AQ', 'damaged'), (address.partition('#')[2][:40], 'cut off'), ('f_AQAAIAAAAAAA', 'another model'), ('f_!', 'damaged')):
        other = User(browser_page(), f'{url}#{hash}', user.folder)
        other.says(words)
        other.page.close()


def refusals(new_context, url, files):
    "Without WebAssembly, or with a runtime that is not the one, a sentence says so; gives the console's complaints of the first."
    said = []
    def problem(words, script=None, answer=None):
        context = new_context(answer)
        page = context.new_page()
        if script:
            page.add_init_script(script)
            page.on('console', lambda message: said.append(message.text) if message.type == 'error' else None)
            page.on('pageerror', lambda error: said.append(str(error)))
        page.goto(url)
        page.get_by_role('alert').wait_for(timeout=1000*patience)
        if words not in (text := page.get_by_role('alert').inner_text()): raise Wrong(f'instead of “{words}” the page says “{text}”')
        context.close()
    problem('This browser has no WebAssembly', 'delete window.WebAssembly')
    problem('lacks SIMD', 'WebAssembly.validate = () => false')
    problem('could not be loaded from cdn.jsdelivr.net, or is not the file', answer=lambda name: (files/name).read_bytes() + b' ')
    problem('could not be loaded from cdn.jsdelivr.net', answer=lambda name: None)
    return said


def use(new_context, url, cdn, folder, files):
    "Everything a user does, on the page with its own runtime and on the one that takes it from the CDN; gives what was measured, in words."
    said, context = [], new_context()
    def new_page():
        page = context.new_page()
        page.on('console', lambda message: said.append(message.text) if message.type == 'error' else None)
        page.on('pageerror', lambda error: said.append(str(error)))
        return page
    firsts = []
    for _ in range(3):                                                    # a fresh browser profile each time: nothing is cached
        fresh = new_context()
        page = fresh.new_page()
        user = User(page, url, folder)
        firsts.append(page.evaluate("(() => { const [load] = performance.getEntriesByType('navigation'); "
                                    "return [performance.getEntriesByName('first face')[0].startTime, load.loadEventEnd]; })()"))
        fresh.close()
    user = User(new_page(), url, folder)
    user.page.evaluate('window.drawn = []')
    pad, slider = user.page.locator('.pad'), user.slider('Component').first
    slider.scroll_into_view_if_needed()
    rates = [drag(user, slider.bounding_box())]
    pad.scroll_into_view_if_needed()
    rates.append(drag(user, pad.bounding_box()))
    keys(user)
    photo(user, png(user))
    buttons(user)
    user.button('New corners').click()                                    # a pinned face is not in the address
    user.rest()
    addresses(user, new_page, url)
    narrow = new_context(mobile=True)
    small = User(narrow.new_page(), url, folder)
    wide = small.page.evaluate('document.documentElement.scrollWidth')
    if wide > 390: raise Wrong(f'at 390 pixels the page is {wide} wide')
    touch(small)
    fresh = User(new_page(), cdn, folder)
    there = User(new_page(), url.replace('own/', 'faces.html'), folder)
    if there.pixels() != fresh.pixels(): raise Wrong("the site's page shows another face than the exported one")
    for each in (fresh, there): each.page.close()
    said += refusals(new_context, cdn, files)
    if said: raise Wrong('in the console:\n' + '\n'.join(dict.fromkeys(said)))
    first, load = statistics.median(f for f, _ in firsts), statistics.median(l for _, l in firsts)
    return (f'first face {first:.0f} ms after the navigation ({first - load:.0f} ms after load; slowest of {len(firsts)}: {max(f for f, _ in firsts):.0f}); '
            f'{rates[0]:.0f} redraws a second dragging a slider, {rates[1]:.0f} on the pad')


def photograph(new_context, url, folder, to):
    "Pictures of the page, wide and narrow, light and dark."
    to.mkdir(parents=True, exist_ok=True)
    for dark in (False, True):
        for mobile in (False, True):
            user = User(new_context(mobile=mobile, dark=dark).new_page(), url, folder)
            time.sleep(1.5)
            name = f'{"narrow" if mobile else "wide"}-{"dark" if dark else "light"}'
            user.page.screenshot(path=to/f'{name}.png')
            user.page.screenshot(path=to/f'{name}-full.png', full_page=True)
    user = User(new_context().new_page(), url, folder)
    user.slider('Component').first.focus()
    for _ in range(40): user.page.keyboard.press('ArrowRight')
    user.page.locator('.pad').click(position=dict(x=230, y=140))
    time.sleep(1.5)
    user.page.screenshot(path=to/'used.png')


def main():
    parser = argparse.ArgumentParser(description='Drive the exported page with a browser.')
    parser.add_argument('--runtime', type=Path, help='folder dist of the npm package onnxruntime-web, in place of npm')
    parser.add_argument('--pictures', type=Path, help='only take pictures, into this folder')
    options = parser.parse_args()
    if absent := missing(options.runtime):
        print(f'not run: {absent}')
        return skipped
    from playwright.sync_api import Error, sync_playwright
    from vae_faces.export import copy_runtime, export_run, read_runtime
    runtime, began = read_runtime(), time.monotonic()
    files = options.runtime or from_npm(runtime['package'], runtime['version'], runtime['files'])
    if files is None:
        print(f"not run: npm could not get {runtime['package']}@{runtime['version']}: is there a network?")
        return skipped
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, sync_playwright() as playwright:
        folder = Path(folder).resolve()
        export_run('toyfaces-64', folder/'pages'/'cdn')
        shutil.copytree(folder/'pages'/'cdn', folder/'pages'/'own')
        copy_runtime(files, folder/'pages'/'own')
        shutil.copytree(folder/'pages'/'own', folder/'pages'/'faces')
        site_page(folder/'pages')
        server = serve(folder/'pages')
        site = f'http://127.0.0.1:{server.server_address[1]}/'
        url, cdn = site + 'own/', site + 'cdn/'
        try:
            browser = playwright.chromium.launch(executable_path=chromium(), args=['--no-sandbox'])

            def new_context(answer=None, mobile=False, dark=False):
                "A fresh profile, to which the CDN's files come from npm's."
                size = dict(width=390, height=844) if mobile else dict(width=1280, height=900)
                context = browser.new_context(viewport=size, has_touch=mobile, is_mobile=mobile, device_scale_factor=2 if mobile else 1,
                                              color_scheme='dark' if dark else 'light', permissions=['clipboard-read', 'clipboard-write'])
                context.set_default_timeout(10_000)
                context.add_init_script(WATCH)
                def npm(route):
                    name = route.request.url.removeprefix(runtime['base'])
                    body = answer(name) if answer else (files/name).read_bytes() if name in runtime['files'] else None
                    if body is None: route.abort()
                    else: route.fulfill(body=body, headers={'access-control-allow-origin': '*', 'content-type': 'application/wasm' if name.endswith('.wasm') else 'text/javascript'})
                context.route(lambda address: not address.startswith((site, 'data:', 'blob:')), npm)
                return context

            if options.pictures:
                photograph(new_context, url, folder, options.pictures)
                result = f'pictures in {options.pictures}'
            else: result = use(new_context, url, cdn, folder, files)
            browser.close()
        except (Wrong, Error) as error:
            print(f'FAIL  the exported page in a browser: {error}')
            return 1
        finally: server.shutdown()
    print(f'ok    the exported page in a browser, {time.monotonic() - began:.0f} s: {result}')
    return 0


if __name__ == '__main__': sys.exit(main())
