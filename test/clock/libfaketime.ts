import { existsSync } from "node:fs";

/** Debian's names of an architecture's folder of libraries, by Node's name of it. */
const MULTIARCH: Readonly<Record<string, string>> = {
  arm64: "aarch64-linux-gnu",
  ppc64: "powerpc64le-linux-gnu",
  riscv64: "riscv64-linux-gnu",
  s390x: "s390x-linux-gnu",
  x64: "x86_64-linux-gnu",
};

/** Where Debian has libfaketime for an architecture's programs; throws where none is known. */
export function libfaketimeOf(arch: string = process.arch): string {
  const folder = MULTIARCH[arch];
  if (folder === undefined) throw new Error(`the folder of libfaketime on ${arch} is not known`);
  return `/usr/lib/${folder}/faketime/libfaketime.so.1`;
}

/** The library for this machine's programs; throws where it is not installed. */
export function installedLibfaketime(): string {
  const library = libfaketimeOf();
  if (existsSync(library)) return library;
  throw new Error(`${library} is missing: apt-get install faketime`);
}
