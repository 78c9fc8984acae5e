// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.video;

import static org.bytedeco.ffmpeg.global.avcodec.av_packet_alloc;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_free;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_unref;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_alloc_context3;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_find_decoder;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_free_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_get_name;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_open2;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_parameters_to_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_receive_frame;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_send_packet;
import static org.bytedeco.ffmpeg.global.avformat.AV_DISPOSITION_ATTACHED_PIC;
import static org.bytedeco.ffmpeg.global.avformat.av_read_frame;
import static org.bytedeco.ffmpeg.global.avformat.avformat_close_input;
import static org.bytedeco.ffmpeg.global.avformat.avformat_find_stream_info;
import static org.bytedeco.ffmpeg.global.avformat.avformat_open_input;
import static org.bytedeco.ffmpeg.global.avutil.AVERROR_EOF;
import static org.bytedeco.ffmpeg.global.avutil.AVMEDIA_TYPE_VIDEO;
import static org.bytedeco.ffmpeg.global.avutil.AV_LOG_QUIET;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_RGB24;
import static org.bytedeco.ffmpeg.global.avutil.AV_TIME_BASE;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_free;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_set;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_free;
import static org.bytedeco.ffmpeg.global.avutil.av_log_set_level;
import static org.bytedeco.ffmpeg.global.avutil.av_strerror;
import static org.bytedeco.ffmpeg.global.swscale.SWS_BICUBIC;
import static org.bytedeco.ffmpeg.global.swscale.sws_freeContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_getCachedContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_scale;

import io.github.vila4j.VideoDecoder;
import io.github.vila4j.VilaImage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import org.bytedeco.ffmpeg.avcodec.AVCodec;
import org.bytedeco.ffmpeg.avcodec.AVCodecContext;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avformat.AVFormatContext;
import org.bytedeco.ffmpeg.avformat.AVStream;
import org.bytedeco.ffmpeg.avutil.AVDictionary;
import org.bytedeco.ffmpeg.avutil.AVFrame;
import org.bytedeco.ffmpeg.avutil.AVRational;
import org.bytedeco.ffmpeg.swscale.SwsContext;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.PointerPointer;

/**
 * The first video stream of a file. Frames come in the order they are shown, as 8-bit RGB by swscale's default conversion. Frame
 * count and rate are computed as OpenCV does, whose values VILA's own code uses.
 */
final class FfmpegReader implements VideoDecoder.Reader {
  /** Below this a number of seconds, or of frames in a second, is none (OpenCV's bound). */
  private static final double NONE = 0.000025;

  /** Rows of converted frames begin at multiples of this, so that swscale may write whole vectors. */
  private static final int ROW_ALIGNMENT = 64;

  static {
    av_log_set_level(AV_LOG_QUIET); // what matters comes as an exception
  }

  private AVFormatContext format = new AVFormatContext(null);
  private AVCodecContext codec;
  private AVStream stream;
  private final AVPacket packet = av_packet_alloc();
  private final AVFrame frame = av_frame_alloc();
  private SwsContext scaler;
  private boolean inputEnded;
  private boolean closed;

  private FfmpegReader() {}

  /** Opens the file and its decoder; frees everything when that fails. */
  static FfmpegReader open(Path file) throws IOException {
    FfmpegReader reader = new FfmpegReader();
    try {
      reader.openInput(file);
      reader.openCodec();
      return reader;
    } catch (Throwable e) {
      reader.close();
      throw e;
    }
  }

  private void openInput(Path file) throws IOException {
    AVDictionary options = new AVDictionary(null);
    try (BytePointer url = new BytePointer("file:" + file.toAbsolutePath(), StandardCharsets.UTF_8)) {
      av_dict_set(options, "protocol_whitelist", "file", 0); // playlists do not reach the network
      check(avformat_open_input(format, url, null, options), "not a video file");
    } finally {
      av_dict_free(options);
    }
    check(avformat_find_stream_info(format, (PointerPointer<?>) null), "its streams cannot be read");
    for (int i = 0; i < format.nb_streams() && stream == null; i++) {
      AVStream candidate = format.streams(i);
      boolean cover = (candidate.disposition() & AV_DISPOSITION_ATTACHED_PIC) != 0;
      if (candidate.codecpar().codec_type() == AVMEDIA_TYPE_VIDEO && !cover) {
        stream = candidate;
      }
    }
    if (stream == null) {
      throw new IOException("there is no video in it");
    }
  }

  private void openCodec() throws IOException {
    int id = stream.codecpar().codec_id();
    AVCodec decoder = avcodec_find_decoder(id);
    if (decoder == null || decoder.isNull()) {
      try (BytePointer name = avcodec_get_name(id)) {
        throw new IOException("there is no decoder for " + name.getString());
      }
    }
    codec = avcodec_alloc_context3(decoder);
    check(avcodec_parameters_to_context(codec, stream.codecpar()), "its codec cannot be set up");
    codec.thread_count(0); // as many as there are processors
    check(avcodec_open2(codec, decoder, (PointerPointer<?>) null), "its codec cannot be opened");
  }

  private static void check(int result, String what) throws IOException {
    if (result < 0) {
      byte[] reason = new byte[128];
      av_strerror(result, reason, reason.length);
      throw new IOException(what + " (" + new String(reason, StandardCharsets.UTF_8).replaceFirst("\0.*$", "") + ")");
    }
  }

  @Override
  public long frameCount() {
    long stated = stream.nb_frames();
    return stated != 0 ? stated : (long) Math.floor(seconds() * frameRate() + 0.5);
  }

  private double seconds() {
    double seconds = format.duration() / (double) AV_TIME_BASE;
    return seconds >= NONE ? seconds : stream.duration() * ratio(stream.time_base());
  }

  @Override
  public double frameRate() {
    double average = ratio(stream.avg_frame_rate());
    return average >= NONE ? average : 1 / ratio(stream.time_base());
  }

  private static double ratio(AVRational number) {
    return number.num() == 0 || number.den() == 0 ? 0 : (double) number.num() / number.den();
  }

  @Override
  public boolean skip() {
    while (true) {
      int result = avcodec_receive_frame(codec, frame);
      if (result == 0) {
        return true;
      }
      if (result == AVERROR_EOF || inputEnded) {
        return false;
      }
      feed();
    }
  }

  /** Gives the decoder the stream's next packet, or word that there is none. What it cannot decode is left out. */
  private void feed() {
    while (av_read_frame(format, packet) >= 0) {
      boolean ours = packet.stream_index() == stream.index();
      if (ours) {
        avcodec_send_packet(codec, packet);
      }
      av_packet_unref(packet);
      if (ours) {
        return;
      }
    }
    avcodec_send_packet(codec, null);
    inputEnded = true;
  }

  @Override
  public Optional<VilaImage> read() throws IOException {
    return skip() ? Optional.of(convert()) : Optional.empty();
  }

  private VilaImage convert() throws IOException {
    int width = frame.width();
    int height = frame.height();
    long row = (3L * width + ROW_ALIGNMENT - 1) / ROW_ALIGNMENT * ROW_ALIGNMENT;
    if (width < 1 || height < 1 || row * height > Integer.MAX_VALUE - ROW_ALIGNMENT) {
      throw new IOException("a frame of " + width + "x" + height + " pixels, which is too large");
    }
    scaler =
        sws_getCachedContext(
            scaler, width, height, frame.format(), width, height, AV_PIX_FMT_RGB24, SWS_BICUBIC, null, null, (DoublePointer) null);
    if (scaler == null || scaler.isNull()) {
      throw new IOException("a frame of pixel format " + frame.format() + ", which cannot be converted");
    }
    try (BytePointer pixels = new BytePointer(row * height + ROW_ALIGNMENT);
        PointerPointer<BytePointer> planes = new PointerPointer<>(pixels, null, null, null);
        IntPointer rows = new IntPointer((int) row, 0, 0, 0)) {
      check(sws_scale(scaler, frame.data(), frame.linesize(), 0, height, planes, rows), "a frame cannot be converted");
      byte[] rgb = new byte[3 * width * height];
      for (int y = 0; y < height; y++) {
        pixels.position(y * row).get(rgb, 3 * width * y, 3 * width);
      }
      pixels.position(0);
      return VilaImage.ofRgb(rgb, width, height);
    }
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    sws_freeContext(scaler);
    av_frame_free(frame);
    av_packet_free(packet);
    if (codec != null) {
      avcodec_free_context(codec);
    }
    if (!format.isNull()) {
      avformat_close_input(format);
    }
  }
}
