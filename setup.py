"Everything that pip needs to know is in settings.ini, which nbdev reads too; this file only carries it over."
import re
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=['='])
config.read(here/'settings.ini', encoding='utf-8')
cfg = config['DEFAULT']

readme = (here/'README.md').read_text(encoding='utf-8') if (here/'README.md').exists() else cfg['description']
# On PyPI there is nothing beside the README: its pictures and its links to files need their whole address.
raw = f'https://raw.githubusercontent.com/{cfg["user"]}/{cfg["repo"]}/{cfg["branch"]}'
readme = re.sub(r'(\]\(|\bsrc=")(?=assets/)', rf'\g<1>{raw}/', readme)
readme = re.sub(r'(\]\()(?=[\w./-]+[)#])', rf'\g<1>{cfg["git_url"]}/blob/{cfg["branch"]}/', readme)

setup(
    name=cfg['lib_name'],
    version=cfg['version'],
    description=cfg['description'],
    long_description=readme,
    long_description_content_type='text/markdown',
    url=cfg['git_url'],
    project_urls={
        'Documentation': cfg['doc_host'] + cfg['doc_baseurl'],
        'Source': cfg['git_url'],
        'Changelog': f'{cfg["git_url"]}/blob/{cfg["branch"]}/CHANGELOG.md',
        'Issues': f'{cfg["git_url"]}/issues',
    },
    author=cfg['author'],
    author_email=cfg['author_email'],
    license_expression='Apache-2.0',
    license_files=['LICENSE'],
    keywords=', '.join(cfg['keywords'].split()),
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Environment :: Console',
        'Framework :: Jupyter',
        f'Intended Audience :: {cfg["audience"]}',
        'Intended Audience :: Education',
        f'Natural Language :: {cfg["language"]}',
        'Operating System :: OS Independent',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Processing',
        'Typing :: Typed',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3 :: Only',
        *[f'Programming Language :: Python :: 3.{minor}' for minor in range(11, 15)],
    ],
    packages=find_packages(include=[cfg['lib_path'], f'{cfg["lib_path"]}.*']),
    package_data={cfg['lib_path']: ['py.typed', 'weights/*/*.json', 'weights/*/*.safetensors', 'page/*.html', 'page/*.css', 'page/*.js']},
    include_package_data=False,
    python_requires=f'>={cfg["min_python"]}',
    install_requires=cfg['requirements'].split(),
    extras_require={name.removesuffix('_requirements'): packages.split() for name, packages in cfg.items() if name.endswith('_requirements')},
    entry_points={
        'console_scripts': [line.strip() for line in cfg['console_scripts'].splitlines()],
        'nbdev': [f'{cfg["lib_path"]}={cfg["lib_path"]}._modidx:d'],
    },
    zip_safe=False,
)
