// The page's one element, <vae-faces>: a face, sliders, a pad. It keeps its own styles, so it can stand in any page.
import {load, Problem} from './engine.js';
import {between, clamp, lap, lerp, moved, pack, standing, unpack} from './space.js';

const FIRST = 12, FEW = 18;         // sliders of a kind that are shown before "all" is asked for, unless there are few
const GRID = 5;                     // faces along a side of the pad
const CORNERS = ['top left', 'top right', 'bottom left', 'bottom right'];
const CRISP = 2;                    // the face's pixels are doubled before the browser smooths them: half the blur, no visible blocks
const PINNED = 255;                 // a corner with a face of its own, not one of the model's people

const MARKUP = `
<link rel="stylesheet" href="${new URL('faces.css', import.meta.url)}">
<div class="all" hidden>
  <section class="stage" aria-label="The face">
    <div class="frame"><canvas class="face" role="img" aria-label="The face at the present latent"></canvas><p class="drop" hidden>Drop the picture</p></div>
    <div class="buttons">
      <button class="main" data-do="random">Random face</button>
      <button data-do="undo" title="Ctrl+Z">Undo</button>
      <button data-do="reset" title="Back to the face that the moves began with">Reset</button>
      <button data-do="link">Copy link</button>
      <button data-do="png">Save PNG</button>
      <button data-do="photo">Your picture…</button>
      <button data-do="pixels" aria-pressed="false" title="Show the pixels that the network makes">Pixels</button>
      <input type="file" accept="image/*" hidden tabindex="-1">
    </div>
    <p class="status" role="status" aria-live="polite"></p>
  </section>
  <section class="morph" aria-labelledby="morph">
    <h2 id="morph">Between four faces</h2>
    <p class="hint">Drag across the pad, or move the ring with the arrow keys. Every place is a mixture of the four corners, and a face of its own.</p>
    <div class="pad" role="group" aria-label="Morph pad">
      <canvas class="map" aria-hidden="true"></canvas>
      <div class="puck" tabindex="0" role="slider" aria-label="Place between the four faces; arrow keys move it" aria-valuemin="0" aria-valuemax="100" aria-valuenow="50"></div>
    </div>
    <div class="buttons">
      <button data-do="corners">New corners</button>
      <button data-do="play" aria-pressed="false">Play</button>
      <span class="pins"><span>Pin this face:</span>${CORNERS.map((name, i) => `<button data-do="pin" data-corner="${i}" title="Put this face in the ${name} corner" aria-label="Put this face in the ${name} corner"><i></i></button>`).join('')}</span>
    </div>
  </section>
  <div class="axes"></div>
</div>
<div class="wait" aria-hidden="true"><div></div></div>
<p class="status first" role="status" aria-live="polite">Loading the network and what runs it …</p>
<p class="problem" role="alert" hidden></p>`;

const sentence = name => name.replace(/^PC (\d+)$/, 'Component $1').replaceAll('_', ' ');
const still = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

class Faces extends HTMLElement {
  #engine; #space; #z; #start; #past = []; #key = null; #when = -1e9;       // the face and its history
  #stale = false; #drawing = false; #held = false; #settling; #motion;       // drawing
  #corners; #people; #place = [.5, .5]; #onPad = false; #mapped = 0;         // the pad
  #sliders = []; #written = ''; #pixels = document.createElement('canvas');

  connectedCallback() {
    if (this.shadowRoot) return;
    this.attachShadow({mode: 'open'}).innerHTML = MARKUP;
    this.#begin().catch(error => this.#fail(error));
  }

  #$(selector) { return this.shadowRoot.querySelector(selector); }

  #fail(error) {
    for (const part of this.shadowRoot.querySelectorAll('.wait, .first')) part.remove();
    const line = this.#$('.problem');
    line.textContent = error instanceof Problem ? error.message : `Something unforeseen went wrong, sorry: ${error.message}`;
    line.hidden = false;
    if (!(error instanceof Problem)) console.error(error);
  }

  async #begin() {
    this.#engine = await load();
    this.#space = this.#engine.space;
    const face = this.#$('.face'), map = this.#$('.map'), {size} = this.#space;
    this.#pixels.width = this.#pixels.height = size;
    face.width = face.height = CRISP*size;
    map.width = map.height = GRID*size;
    this.#build();
    this.#listen();
    const problem = this.#restore(true);
    await this.#draw();
    for (const part of this.shadowRoot.querySelectorAll('.wait, .first')) part.remove();
    this.#$('.all').hidden = false;
    performance.mark('first face');
    this.#say(problem ?? '');
    this.#settle();
    this.#drawMap();
  }

  // The face

  #show(z) { this.#z = z; this.#reflect(); this.#ask(); }

  /** Go to `z` by the hand: changes of one key in quick succession are one step back. */
  #change(z, key) {
    const now = performance.now();
    if (key !== this.#key || now - this.#when > 1500) this.#remember();
    this.#key = key; this.#when = now;
    this.#show(z);
    this.#settleSoon();
  }

  #remember() { this.#past.push([this.#z, this.#start, this.#place, this.#onPad]); this.#past.splice(0, this.#past.length - 500); }

  /** Go on with another face, in a glide. */
  #go(z) {
    this.#stop(); this.#remember(); this.#key = null; this.#start = z; this.#onPad = false;
    this.#glide(z);
  }

  #glide(to) {
    const from = this.#z, began = performance.now(), last = still() ? 0 : 450;
    const step = now => {
      const t = clamp((now - began)/last, 0, 1), ease = last ? t*t*(3 - 2*t) : 1;
      this.#show(ease < 1 ? lerp(from, to, ease) : to);
      if (ease < 1) this.#motion = requestAnimationFrame(step);
      else { this.#motion = null; this.#settle(); }
    };
    this.#motion = requestAnimationFrame(step);
  }

  /** End what moves by itself. */
  #stop() {
    cancelAnimationFrame(this.#motion);
    this.#motion = null;
    this.#$('[data-do=play]').ariaPressed = 'false';
  }

  #ask() {
    if (this.#stale) return;
    this.#stale = true;
    requestAnimationFrame(() => { if (!this.#drawing) this.#draw().catch(error => this.#fail(error)); });
  }

  async #draw() {
    const pen = this.#$('.face').getContext('2d');
    pen.imageSmoothingEnabled = false;
    this.#drawing = true;
    do {
      this.#stale = false;
      const [picture] = await this.#engine.decode([this.#z]);
      this.#pixels.getContext('2d').putImageData(picture, 0, 0);
      pen.drawImage(this.#pixels, 0, 0, pen.canvas.width, pen.canvas.height);
    } while (this.#stale);
    this.#drawing = false;
  }

  #settleSoon() { clearTimeout(this.#settling); this.#settling = setTimeout(() => this.#settle(), 300); }

  /** When the hand rests: stand where the address says exactly, and write the address. */
  #settle() {
    if (this.#held || this.#motion) return;
    clearTimeout(this.#settling);
    const {model, latent} = this.#space;
    let text;
    do { text = pack(this.#z, model, this.#people); this.#z = unpack(text, model, latent).z; }
    while (pack(this.#z, model, this.#people) !== text);             // rounding may have made room for a finer step
    this.#start ??= this.#z;
    this.#reflect();
    this.#ask();
    this.#write(text);
  }

  #write(text) {
    this.#written = '#' + text;
    if (location.hash !== this.#written) history.replaceState(history.state, '', this.#written);
  }

  /** The face in the address, or the model's first person; returns what is wrong with the address. */
  #restore(first) {
    const found = location.hash.startsWith('#f_') ? unpack(location.hash.slice(1), this.#space.model, this.#space.latent) : {};
    if (!first && !found.z) return found.problem;
    const n = this.#space.people.length, corners = found.corners ?? this.#space.corners;
    this.#people = corners.map((c, i) => c < n ? c : this.#space.corners[i]);
    this.#corners = this.#people.map(i => this.#space.people[i]);
    this.#start = undefined; this.#onPad = !found.z; this.#place = found.z ? [.5, .5] : [0, 0];
    this.#z = found.z ?? this.#space.people[this.#people[0]];
    this.#reflect();
    return found.problem;
  }

  // What the page shows of it

  #say(text) { this.#$('.stage .status').textContent = text; }

  #reflect() {
    for (const {axes, k, input, number} of this.#sliders) {
      const value = standing(axes, k, this.#z);
      if (!(this.#held && input.matches(':active'))) input.value = value;
      const digits = Math.abs(value).toFixed(1);
      number.textContent = (digits === '0.0' ? '' : value < 0 ? '−' : '+') + digits;
      input.ariaValueText = number.textContent;
      input.style.setProperty('--at', `${50 + 50*clamp(value/axes.span, -1, 1)}%`);
    }
    const puck = this.#$('.puck'), [x, y] = this.#place, inner = (GRID - 1)/GRID, edge = .5/GRID;
    puck.style.left = `${100*(edge + inner*x)}%`;
    puck.style.top = `${100*(edge + inner*y)}%`;
    puck.classList.toggle('off', !this.#onPad);
    puck.ariaValueNow = Math.round(100*x);
    puck.ariaValueText = `${Math.round(100*x)} % across, ${Math.round(100*y)} % down` + (this.#onPad ? '' : '; the face is elsewhere');
  }

  #build() {
    for (const [title, hint, axes] of [['Principal components', 'In which these faces differ most. One unit is one standard deviation.', this.#space.components],
                                     ['Attributes', 'One unit up gives a face the attribute, one down takes it away.', this.#space.attributes]]) {
      if (!axes?.names.length) continue;
      const group = document.createElement('section'), list = document.createElement('div'), id = title.split(' ')[0].toLowerCase();
      group.innerHTML = `<h2 id="${id}">${title}</h2><p class="hint">${hint}</p>`;
      group.setAttribute('aria-labelledby', id);
      list.className = 'list';
      axes.names.forEach((name, k) => list.append(this.#slider(axes, k, name)));
      group.append(list);
      if (axes.names.length > FEW) {
        const more = document.createElement('button');
        more.textContent = `Show all ${axes.names.length}`;
        more.className = 'more';
        more.onclick = () => { for (const row of list.children) row.hidden = false; list.children[FIRST].querySelector('input').focus(); more.remove(); };
        group.append(more);
      }
      this.#$('.axes').append(group);
    }
  }

  #slider(axes, k, name) {
    const row = document.createElement('label'), title = document.createElement('span'), number = document.createElement('b'), input = document.createElement('input');
    Object.assign(input, {type: 'range', min: -axes.span, max: axes.span, step: .01*axes.span, value: 0});
    input.ariaLabel = title.textContent = sentence(name);
    number.ariaHidden = 'true';                                 // the slider says it itself
    row.append(title, number, input);
    row.hidden = k >= FIRST && axes.names.length > FEW;
    input.addEventListener('input', () => { this.#stop(); this.#onPad = false; this.#change(moved(axes, k, this.#z, input.valueAsNumber), name); });
    input.addEventListener('dblclick', () => this.#change(moved(axes, k, this.#z, 0), name));
    this.#sliders.push({axes, k, input, number});
    return row;
  }

  // The hand

  #listen() {
    const root = this.shadowRoot, hold = () => { this.#held = true; }, drop = () => { this.#held = false; this.#settleSoon(); };
    root.addEventListener('pointerdown', hold);
    for (const kind of ['pointerup', 'pointercancel']) addEventListener(kind, () => { if (this.#held) drop(); });
    root.addEventListener('click', event => { const button = event.target.closest('[data-do]'); if (button) this[`_${button.dataset.do}`](button); });
    root.addEventListener('keydown', event => {
      if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === 'z') { event.preventDefault(); this._undo(); }
    });
    addEventListener('hashchange', () => {
      if (location.hash === this.#written) return;
      const before = [this.#z, this.#start, this.#place, this.#onPad];
      this.#stop();
      const problem = this.#restore(false);
      if (problem) return this.#say(problem);
      if (!location.hash.startsWith('#f_')) return;
      this.#past.push(before);
      this.#ask(); this.#settle(); this.#drawMap();
    });
    this.#listenPad();
    this.#listenPhoto();
  }

  #listenPad() {
    const pad = this.#$('.pad'), puck = this.#$('.puck');
    const to = event => {
      const box = pad.getBoundingClientRect(), at = (v, low, side) => clamp(((v - low)/side - .5/GRID)*GRID/(GRID - 1), 0, 1);
      this.#move(at(event.clientX, box.left, box.width), at(event.clientY, box.top, box.height));
    };
    pad.addEventListener('pointerdown', event => {
      if (event.button) return;
      event.preventDefault();
      try { pad.setPointerCapture(event.pointerId); } catch { /* a finger that has gone already */ }
      puck.focus({preventScroll: true}); to(event);
    });
    pad.addEventListener('pointermove', event => { if (pad.hasPointerCapture(event.pointerId)) to(event); });
    puck.addEventListener('keydown', event => {
      const by = event.shiftKey ? .25 : .05, [x, y] = this.#place;
      const step = {ArrowLeft: [x - by, y], ArrowRight: [x + by, y], ArrowUp: [x, y - by], ArrowDown: [x, y + by], Home: [0, 0], End: [1, 1]}[event.key];
      if (!step) return;
      event.preventDefault();
      this.#move(...step.map(v => clamp(v, 0, 1)));
    });
  }

  #move(x, y) {
    this.#stop();
    this.#place = [x, y]; this.#onPad = true;
    this.#change(between(this.#corners, x, y), 'pad');
  }

  #listenPhoto() {
    const frame = this.#$('.frame'), sign = this.#$('.drop'), file = this.#$('input[type=file]');
    file.addEventListener('change', () => { if (file.files[0]) this.#open(file.files[0]); file.value = ''; });
    for (const kind of ['dragenter', 'dragover']) frame.addEventListener(kind, event => { event.preventDefault(); sign.hidden = false; });
    frame.addEventListener('dragleave', () => { sign.hidden = true; });
    frame.addEventListener('drop', event => { event.preventDefault(); sign.hidden = true; if (event.dataTransfer.files[0]) this.#open(event.dataTransfer.files[0]); });
  }

  /** A picture of one's own: its middle square, made small, through the encoder. */
  async #open(file) {
    const bitmap = await createImageBitmap(file).catch(() => null);
    if (!bitmap) return this.#say(`“${file.name}” is no picture that this browser can read.`);
    const {size} = this.#space, side = Math.min(bitmap.width, bitmap.height), canvas = document.createElement('canvas');
    canvas.width = canvas.height = size;
    const pen = canvas.getContext('2d');
    pen.imageSmoothingQuality = 'high';
    pen.drawImage(bitmap, (bitmap.width - side)/2, (bitmap.height - side)/2, side, side, 0, 0, size, size);
    this.#say('Encoding the picture …');
    try { this.#go(await this.#engine.encode(pen.getImageData(0, 0, size, size))); }
    catch (error) { return this.#say(error.message); }
    this.#say('This is how the model sees the middle square of your picture. It stayed on this device.');
  }

  // The buttons

  _random() {
    const {people} = this.#space, any = () => people[Math.floor(Math.random()*people.length)];
    this.#go(lerp(any(), any(), .25*Math.random()));            // near a person and a little towards another: endless, and in no hole
    this.#say('A random face.');
  }

  _undo() {
    if (!this.#past.length) return this.#say('There is nothing to undo.');
    this.#stop();
    [this.#z, this.#start, this.#place, this.#onPad] = this.#past.pop();
    this.#key = null;
    this.#settle();
    this.#say('');
  }

  _reset() {
    this.#stop(); this.#remember(); this.#key = null; this.#onPad = false;
    this.#glide(this.#start);
    this.#say('Back to the face that the moves began with.');
  }

  async _link() {
    this.#stop();
    this.#settle();
    try { await navigator.clipboard.writeText(location.href); this.#say('The address of this face is copied.'); }
    catch { this.#say('The address of this face is the one in the address bar: copy it there.'); }
  }

  async _png() {
    this.#stop();
    this.#settle();
    while (this.#stale || this.#drawing) await new Promise(requestAnimationFrame);
    const small = this.#pixels, large = document.createElement('canvas'), pen = large.getContext('2d');
    large.width = large.height = small.width*Math.max(1, Math.ceil(512/small.width));
    pen.imageSmoothingEnabled = this.#$('[data-do=pixels]').ariaPressed !== 'true';
    pen.imageSmoothingQuality = 'high';
    pen.drawImage(small, 0, 0, large.width, large.height);
    const blob = await new Promise(done => large.toBlob(done, 'image/png')), link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = 'face.png';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    this.#say(`Saved face.png, ${large.width} × ${large.height}.`);
  }

  _photo() { this.#$('input[type=file]').click(); }

  _pixels(button) {
    button.ariaPressed = String(button.ariaPressed !== 'true');
    this.#$('.all').classList.toggle('pixels', button.ariaPressed === 'true');
  }

  _corners() {
    const n = this.#space.people.length, order = [...Array(n).keys()];
    for (let i = 0; i < 4; i++) { const j = i + Math.floor(Math.random()*(n - i)); [order[i], order[j]] = [order[j], order[i]]; }
    this.#people = CORNERS.map((_, i) => order[i % n]);
    this.#corners = this.#people.map(i => this.#space.people[i]);
    this.#drawMap();
    this.#stop();
    this.#remember(); this.#key = null; this.#place = [.5, .5]; this.#onPad = true;
    this.#start = between(this.#corners, .5, .5);
    this.#glide(this.#start);
    this.#say('Four other faces are in the corners.');
  }

  _pin(button) {
    const i = +button.dataset.corner;
    this.#corners[i] = this.#z; this.#people[i] = PINNED; this.#onPad = false;
    this.#drawMap();
    this.#settle();
    this.#say(`This face is in the ${CORNERS[i]} corner now; the address does not keep it.`);
  }

  _play(button) {
    if (button.ariaPressed === 'true') { this.#stop(); this.#settle(); return; }
    this.#stop(); this.#remember(); this.#key = null;
    button.ariaPressed = 'true';
    let began;
    const [x, y] = this.#place, step = now => {
      began ??= now;
      const to = lap((now - began)/12_000 % 1), t = clamp((now - began)/600, 0, 1);      // from where it is to the edge, then round
      this.#place = [x + (to[0] - x)*t, y + (to[1] - y)*t]; this.#onPad = true;
      this.#show(between(this.#corners, ...this.#place));
      this.#motion = requestAnimationFrame(step);
    };
    this.#motion = requestAnimationFrame(step);
  }

  /** The faces all over the pad, a row at a time so that the face itself never waits long. */
  async #drawMap() {
    const mine = ++this.#mapped, {size} = this.#space, pen = this.#$('.map').getContext('2d');
    for (let row = 0; row < GRID; row++) {
      const z = Array.from({length: GRID}, (_, column) => between(this.#corners, column/(GRID - 1), row/(GRID - 1)));
      const pictures = await this.#engine.decode(z);
      if (mine !== this.#mapped) return;                        // other corners meanwhile
      pictures.forEach((picture, column) => pen.putImageData(picture, column*size, row*size));
      await new Promise(requestAnimationFrame);
    }
  }
}

customElements.define('vae-faces', Faces);
