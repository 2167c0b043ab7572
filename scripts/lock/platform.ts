/** Where a package with a native binary runs, as npm's `os`, `cpu` and `libc` fields say it. */
export interface Platform {
  readonly os: readonly string[];
  readonly cpu: readonly string[];
  readonly libc?: readonly string[];
}

const SYSTEMS = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd"].concat([
  "openharmony",
  "sunos",
  "win32",
]);
const CPUS = ["arm", "arm64", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "x64"];

/**
 * The platform that a package's name ends in, as in `@oxc-parser/binding-linux-x64-musl`.
 * Throws for a name that does not end in one: such a package cannot be left out by guessing.
 */
export function platformOf(name: string): Platform {
  const words = name.split(/[/-]/);
  const os = words.find((word) => SYSTEMS.includes(word));
  const cpu = words.find((word) => CPUS.includes(word));
  if (os === undefined || cpu === undefined) {
    throw new Error(`${name} is missing from package-lock.json, and its name contains no platform`);
  }
  const libc = words.at(-1)?.match(/^(musl|gnu)(eabihf)?$/)?.[1];
  if (os !== "linux" || libc === undefined) return { os: [os], cpu: [cpu] };
  return { os: [os], cpu: [cpu], libc: [libc === "gnu" ? "glibc" : "musl"] };
}
