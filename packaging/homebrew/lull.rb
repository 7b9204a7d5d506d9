# Lull, for Homebrew. Not run by us; see README.
#
# The formula names no address: HOMEBREW_LULL_REPOSITORY says where to clone
# from, a folder or an address that git knows. Homebrew wants a formula in a tap:
#
#   brew tap-new local/lull
#   cp packaging/homebrew/lull.rb "$(brew --repository local/lull)/Formula/"
#   HOMEBREW_LULL_REPOSITORY="file://$PWD" brew install --HEAD local/lull/lull
#
# The build signs the program as one that uses the hypervisor. Where Homebrew
# changes it afterwards, it signs it anew and keeps the entitlements.
class Lull < Formula
  desc "Runs arm64 Linux guests whose idleness costs nothing"
  license "MIT"
  head ENV.fetch("HOMEBREW_LULL_REPOSITORY", "file:///usr/local/src/lull"),
       using: :git

  depends_on "meson" => :build
  depends_on "ninja" => :build
  depends_on "pkgconf" => :build
  depends_on arch: :arm64
  depends_on "dtc" # libfdt
  depends_on "jansson"
  depends_on "libslirp"
  depends_on macos: :ventura
  depends_on "zstd"

  uses_from_macos "python" # lull guest
  uses_from_macos "zlib"

  def install
    system "meson", "setup", "build", *std_meson_args
    system "meson", "compile", "-C", "build", "--verbose"
    system "meson", "install", "-C", "build"
  end

  test do
    assert_match "lull", shell_output("#{bin}/lull --version")
    assert_match "com.apple.security.hypervisor",
                 shell_output("codesign --display --entitlements - --xml " \
                              "#{bin}/lull 2>/dev/null")
    (testpath/"embed.c").write <<~C
      #include <lull/idle.h>
      int main(void)
      {
          return idle_now_ns() == 0;
      }
    C
    system ENV.cc, "embed.c", "-I#{include}", "-L#{lib}", "-llull-idle",
           "-o", "embed"
    system "./embed"
  end
end
