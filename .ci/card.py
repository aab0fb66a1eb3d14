"""Draws assets/social-card.png, the picture that a link to the site shows elsewhere, and nbs/favicon.png, the one in a
browser's tab: `python .ci/card.py`.

The faces are assets/samples.png, draws from the prior of a model trained on photographs; none of these people exists. The
one in the tab is a drawn one, with a hat that is still seen at sixteen pixels.
"""
import sys
from configparser import ConfigParser
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root))
width, height = 1200, 630                                   # what Open Graph and its readers ask for
face, gap, columns, rows = 64, 2, 12, 4                     # of samples.png, whose faces lie 2 pixels apart
side = width//columns


def line(draw, y, text, size, colour):
    "A centred line of text."
    draw.text((width/2, y), text, colour, ImageFont.load_default(size), anchor='mm')


def card():
    "The first twelve columns of faces, and below them the name and one line."
    config = ConfigParser(delimiters=['='])
    config.read(root/'settings.ini', encoding='utf-8')
    faces = Image.open(root/'assets'/'samples.png').convert('RGB')
    image = Image.new('RGB', (width, height), '#15181d')
    for row in range(rows):
        for column in range(columns):
            left, top = gap + column*(face + gap), gap + row*(face + gap)
            tile = faces.crop((left, top, left + face, top + face)).resize((side, side), Image.Resampling.BICUBIC)
            image.paste(tile, (column*side, row*side))
    draw = ImageDraw.Draw(image)
    line(draw, 468, config['DEFAULT']['title'], 84, '#ffffff')
    line(draw, 543, 'Train a variational autoencoder on faces, and see what lies between them', 31, '#e8eaee')
    line(draw, 596, 'None of these people exists. A book of notebooks, a Python library, and commands.', 22, '#9aa3b0')
    return image


if __name__ == '__main__':
    card().quantize(200, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG).save(root/'assets'/'social-card.png', optimize=True)
    from vae_faces.show import image_grid
    from vae_faces.synth import toy_faces
    image_grid(toy_faces([6], size=64), 1, padding=0).save(root/'nbs'/'favicon.png', optimize=True)
