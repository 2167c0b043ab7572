import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { RuntimeError } from "../errors.ts";
import type { TarInput } from "../image/tar/write.ts";
import type { ImageRecipe } from "./image-builder.ts";

const run = promisify(execFile);

/** The search path of the image, and of most others. */
export const IMAGE_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const PASSWD = [
  "root:x:0:0:root:/root:/bin/sh",
  "daemon:x:1:1:daemon:/usr/sbin:/bin/false",
  "www-data:x:33:33:www-data:/var/www:/bin/false",
  "nobody:x:65534:65534:nobody:/home:/bin/false",
];
const GROUP = ["root:x:0:", "daemon:x:1:", "www-data:x:33:", "nobody:x:65534:"];

/** An ELF file without a program interpreter runs without the host's libraries. */
function isStatic(program: Buffer): boolean {
  const PT_INTERP = 3;
  if (program.readUInt32BE(0) !== 0x7f454c46 || program[4] !== 2) return false;
  const offset = Number(program.readBigUInt64LE(32));
  const size = program.readUInt16LE(54);
  const count = program.readUInt16LE(56);
  for (let i = 0; i < count; i++) {
    if (program.readUInt32LE(offset + i * size) === PT_INTERP) return false;
  }
  return true;
}

/** A program of the host to put into an image; refused when it needs the host's libraries. */
export async function staticProgram(file: string, remedy: string): Promise<Buffer> {
  const program = await readFile(file);
  if (!isStatic(program)) {
    throw new RuntimeError("failed-precondition", `${file} is not statically linked`, { remedy });
  }
  return program;
}

/** busybox with its applets as links, and the few files that programs look for. */
export async function busyboxEntries(busyboxPath: string): Promise<TarInput[]> {
  const program = await staticProgram(busyboxPath, "install busybox-static");
  const { stdout } = await run(busyboxPath, ["--list-full"]);
  const applets = stdout.split("\n").filter((name) => name !== "" && name !== "bin/busybox");
  const directory = (name: string, mode = 0o755): TarInput => ({ name, type: "directory", mode });
  const directories = ["bin/", "sbin/", "usr/", "usr/bin/", "usr/sbin/", "etc/", "dev/", "proc/"];
  return [
    ...directories.map((name) => directory(name)),
    directory("sys/"),
    directory("home/"),
    directory("root/", 0o700),
    directory("tmp/", 0o1777),
    directory("var/"),
    directory("var/www/"),
    { name: "bin/busybox", mode: 0o755, content: program },
    ...applets.map((name): TarInput => ({ name, type: "symlink", linkname: "/bin/busybox" })),
    { name: "etc/passwd", mode: 0o644, content: `${PASSWD.join("\n")}\n` },
    { name: "etc/group", mode: 0o644, content: `${GROUP.join("\n")}\n` },
  ];
}

/** The image of the machine's own busybox: a shell and 270 small programs in 2 MB. */
export const busyboxRecipe = async (busyboxPath: string): Promise<ImageRecipe> => ({
  name: "r2k.local/busybox:1",
  entries: await busyboxEntries(busyboxPath),
  config: { Env: [IMAGE_PATH], Cmd: ["sh"] },
});
