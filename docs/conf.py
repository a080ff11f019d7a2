"""The site that `make docs` builds from the Markdown files and the docstrings."""

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "site")]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras_resnet  # noqa: E402

project = "resnet-keras"
version = keras_resnet.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "names", "navigation", "reference"]

# The source folder is the repository, so links between README.md, docs/, and benchmarks/ are those of a code host.
root_doc = "docs/README"
include_patterns = ["*.md", "benchmarks/README.md", "docs/*.md", "docs/reference/*.rst"]
exclude_patterns = [".*", "build", "dist", "runs"]

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
highlight_language = "shell"  # of code blocks without a language
default_role = "py:name"  # `name` in a docstring is a link if the reference has the name
smartquotes_action = "D"  # dashes, not quotes

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
napoleon_use_ivar = True
napoleon_use_rtype = False
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"{project} {version}"
html_extra_path = ["site/index.html"]
html_show_copyright = False
html_copy_source = False
