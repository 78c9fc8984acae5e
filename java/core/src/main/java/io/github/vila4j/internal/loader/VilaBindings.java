// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.internal.loader;

import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.javacpp.annotation.Properties;
import org.bytedeco.javacpp.tools.Info;
import org.bytedeco.javacpp.tools.InfoMap;
import org.bytedeco.javacpp.tools.InfoMapper;

/** Tells the binding generator what to make of vila.h. Used at build time only. */
@Properties(
    value =
        @Platform(
            value = "linux-x86_64",
            compiler = "cpp20",
            define = "STRING_BYTES_CHARSET \"UTF-8\"",
            include = {"vila/vila.h", "vila_java.h"},
            library = "jnivila"),
    target = "io.github.vila4j.internal",
    global = "io.github.vila4j.internal.Natives")
public class VilaBindings implements InfoMapper {
  @Override
  public void map(InfoMap infoMap) {
    infoMap.put(new Info("VILA_API").cppTypes().annotations());
    infoMap.put(new Info("vila_java::coded", "GENERIC_EXCEPTION_CLASS", "GENERIC_EXCEPTION_TOSTRING").skip());
    // Only bytes: the String overloads end at the first NUL character.
    infoMap.put(new Info("std::string").annotations("@StdString").valueTypes("BytePointer").pointerTypes("BytePointer"));
    for (String type : new String[] {"Image", "Tokenizer", "Model", "Session"}) {
      infoMap.put(new Info("vila::" + type + "::impl").skip());
      infoMap.put(new Info("vila::" + type + "::Impl").skip());
      for (String constness : new String[] {"", "const "}) {
        String impl = "std::shared_ptr<" + constness + "vila::" + type + "::Impl>";
        infoMap.put(new Info("vila::" + type + "::" + type + "(" + impl + ")").skip());
      }
    }
    infoMap.put(new Info("vila::Prompt::impl", "vila::Prompt::Impl", "vila::Error").skip());
    infoMap.put(new Info("vila::Prompt::place_images", "vila::Prompt::add_video").skip());
    infoMap.put(new Info("vila::VideoSampling::kMaxFrames", "vila::VideoSampling::kMaxFps").skip());
    infoMap.put(new Info("vila::LogListener", "vila::ProgressListener", "vila::TokenListener").virtualize());
    infoMap.put(new Info("std::vector<vila::Check>").pointerTypes("CheckVector").define());
    infoMap.put(new Info("std::vector<vila::TokenProbability>").pointerTypes("TokenProbabilityVector").define());
    infoMap.put(new Info("std::vector<vila::PromptCase>").pointerTypes("PromptCaseVector").define());
    infoMap.put(new Info("std::vector<std::string>").pointerTypes("StringVector").define());
    infoMap.put(new Info("vila::LogLevel", "vila::Role", "vila::FinishReason", "vila::ErrorCode", "vila::FrameRule").enumerate());
  }
}
