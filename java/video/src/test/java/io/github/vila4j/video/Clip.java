// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.video;

import static org.bytedeco.ffmpeg.global.avcodec.AV_PKT_DATA_DISPLAYMATRIX;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_alloc;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_free;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_rescale_ts;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_side_data_new;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_alloc_context3;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_find_encoder_by_name;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_free_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_open2;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_parameters_from_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_receive_packet;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_send_frame;
import static org.bytedeco.ffmpeg.global.avformat.AVIO_FLAG_WRITE;
import static org.bytedeco.ffmpeg.global.avformat.av_interleaved_write_frame;
import static org.bytedeco.ffmpeg.global.avformat.av_write_trailer;
import static org.bytedeco.ffmpeg.global.avformat.avformat_alloc_output_context2;
import static org.bytedeco.ffmpeg.global.avformat.avformat_free_context;
import static org.bytedeco.ffmpeg.global.avformat.avformat_new_stream;
import static org.bytedeco.ffmpeg.global.avformat.avformat_write_header;
import static org.bytedeco.ffmpeg.global.avformat.avio_closep;
import static org.bytedeco.ffmpeg.global.avformat.avio_open;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_RGB24;
import static org.bytedeco.ffmpeg.global.avutil.av_display_rotation_set;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_free;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_get_buffer;
import static org.bytedeco.ffmpeg.global.swscale.SWS_BICUBIC;
import static org.bytedeco.ffmpeg.global.swscale.sws_freeContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_getContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_scale;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vila4j.VilaImage;
import java.nio.file.Path;
import org.bytedeco.ffmpeg.avcodec.AVCodec;
import org.bytedeco.ffmpeg.avcodec.AVCodecContext;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avcodec.AVPacketSideData;
import org.bytedeco.ffmpeg.avformat.AVFormatContext;
import org.bytedeco.ffmpeg.avformat.AVIOContext;
import org.bytedeco.ffmpeg.avformat.AVStream;
import org.bytedeco.ffmpeg.avutil.AVFrame;
import org.bytedeco.ffmpeg.avutil.AVRational;
import org.bytedeco.ffmpeg.global.avutil;
import org.bytedeco.ffmpeg.swscale.SwsContext;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.PointerPointer;

/** Small video files whose frames tell their numbers by their grey. */
final class Clip {
  static final int WIDTH = 34;
  static final int HEIGHT = 18;

  /** How a clip is encoded. */
  enum Kind {
    /** Exact: what is read back is what was written. */
    LOSSLESS("ffv1", avutil.AV_PIX_FMT_BGR0, 0),
    /** With frames that are stored in another order than they are shown. */
    REORDERED("mpeg4", avutil.AV_PIX_FMT_YUV420P, 2),
    /** Every frame takes the same number of bytes. */
    RAW("rawvideo", avutil.AV_PIX_FMT_BGR24, 0);

    private final String codec;
    private final int pixelFormat;
    private final int reordered;

    Kind(String codec, int pixelFormat, int reordered) {
      this.codec = codec;
      this.pixelFormat = pixelFormat;
      this.reordered = reordered;
    }
  }

  private Clip() {}

  /** The pixels of frame {@code number}: grey, far enough from its neighbours' for lossy codecs, but for a red first row. */
  static byte[] pixels(int number) {
    byte[] rgb = new byte[3 * WIDTH * HEIGHT];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) (i < 3 * WIDTH ? (i % 3 == 0 ? 200 : 0) : 20 + 7 * number);
    }
    return rgb;
  }

  /** Which frame this is, by its middle; -1 is a black one. */
  static int number(VilaImage frame) {
    int grey = frame.rgb()[3 * (frame.height() / 2 * frame.width() + frame.width() / 2)] & 255;
    return grey < 10 ? -1 : Math.round((grey - 20) / 7f);
  }

  /** Writes {@code count} frames at 25 a second in the container of the file's name. */
  static Path write(Path file, int count, Kind kind) {
    return write(file, count, kind, 0);
  }

  /** The same with a rotation in degrees that players are to apply. */
  static Path write(Path file, int count, Kind kind, double rotation) {
    AVFormatContext format = new AVFormatContext(null);
    check(avformat_alloc_output_context2(format, null, null, file.toString()));
    AVCodec encoder = avcodec_find_encoder_by_name(kind.codec);
    AVCodecContext codec = avcodec_alloc_context3(encoder);
    AVRational tick = new AVRational().num(1).den(25);
    codec.width(WIDTH).height(HEIGHT).pix_fmt(kind.pixelFormat).time_base(tick).max_b_frames(kind.reordered).gop_size(9);
    codec.framerate(new AVRational().num(25).den(1));
    codec.bit_rate(4_000_000);
    check(avcodec_open2(codec, encoder, (PointerPointer<?>) null));
    AVStream stream = avformat_new_stream(format, encoder);
    stream.time_base(tick);
    stream.avg_frame_rate(codec.framerate());
    check(avcodec_parameters_from_context(stream.codecpar(), codec));
    if (rotation != 0) {
      AVPacketSideData data = new AVPacketSideData(null);
      int[] entries = {0};
      av_packet_side_data_new(data, entries, AV_PKT_DATA_DISPLAYMATRIX, 36, 0);
      av_display_rotation_set(new IntPointer(data.data()), rotation);
      stream.codecpar().coded_side_data(data).nb_coded_side_data(1);
    }
    AVIOContext output = new AVIOContext(null);
    check(avio_open(output, file.toString(), AVIO_FLAG_WRITE));
    format.pb(output);
    check(avformat_write_header(format, (PointerPointer<?>) null));
    AVPacket packet = av_packet_alloc();
    for (int i = 0; i <= count; i++) {
      AVFrame frame = i < count ? frame(i, kind) : null;
      check(avcodec_send_frame(codec, frame));
      if (frame != null) {
        av_frame_free(frame);
      }
      while (avcodec_receive_packet(codec, packet) >= 0) {
        packet.stream_index(0);
        packet.duration(1);
        av_packet_rescale_ts(packet, tick, stream.time_base());
        check(av_interleaved_write_frame(format, packet));
      }
    }
    check(av_write_trailer(format));
    av_packet_free(packet);
    avcodec_free_context(codec);
    avio_closep(output);
    avformat_free_context(format);
    return file;
  }

  private static AVFrame frame(int number, Kind kind) {
    AVFrame frame = av_frame_alloc();
    frame.width(WIDTH).height(HEIGHT).format(kind.pixelFormat).pts(number);
    check(av_frame_get_buffer(frame, 0));
    SwsContext scaler =
        sws_getContext(
            WIDTH, HEIGHT, AV_PIX_FMT_RGB24, WIDTH, HEIGHT, kind.pixelFormat, SWS_BICUBIC, null, null, (DoublePointer) null);
    try (BytePointer pixels = new BytePointer(pixels(number));
        PointerPointer<BytePointer> planes = new PointerPointer<>(pixels, null, null, null);
        IntPointer rows = new IntPointer(3 * WIDTH, 0, 0, 0)) {
      check(sws_scale(scaler, planes, rows, 0, HEIGHT, frame.data(), frame.linesize()));
    }
    sws_freeContext(scaler);
    return frame;
  }

  private static void check(int result) {
    assertTrue(result >= 0, "FFmpeg's error " + result);
  }
}
