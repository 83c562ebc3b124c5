from .images import read_images as read_images
from .images import write_images as write_images
from .movies import check_movie as check_movie
from .movies import fingerprint as fingerprint
from .movies import frame_source as frame_source
from .movies import open_movie as open_movie
from .movies.tiff_writer import TiffMovieWriter as TiffMovieWriter
from .scratch import scratch_factory as scratch_factory
