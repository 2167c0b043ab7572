import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { posix } from "node:path";
import { promisify } from "node:util";
import type { TarInput } from "../image/tar/write.ts";
import { IMAGE_PATH } from "./busybox.ts";
import type { ImageRecipe } from "./image-builder.ts";

const run = promisify(execFile);

/** A Node program to put into an image together with all that it needs, Node itself first. */
export interface NodeProgram {
  /** The image's name. */
  image: string;
  /** The Node of this machine. */
  node: string;
  /** The program's name in the image, in /usr/local/bin. */
  command: string;
  /** Further names in /usr/local/bin, each with the words that it puts before its arguments. */
  others?: ReadonlyMap<string, readonly string[]>;
  /** Whether the program is the image's entrypoint, which gets a container's arguments. */
  isEntrypoint: boolean;
  /** The module to load, as a place in the image. */
  module: string;
  /** Files of this machine by their places in the image. */
  files: ReadonlyMap<string, string>;
  /** Other programs of this machine, whose libraries come with them. */
  programs?: readonly string[];
  /** Variables that the program finds set. */
  env: Readonly<Record<string, string>>;
}

const NODE = "/usr/local/bin/node";
const PASSWD = "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n";
const GROUP = "root:x:0:\nnobody:x:65534:\n";

/** The image of a program: no shell and no other program is in it. */
export async function nodeProgramRecipe(program: NodeProgram): Promise<ImageRecipe> {
  const { image, node, command, isEntrypoint, module, files, programs = [], env } = program;
  const commands = [[command, []] as const, ...(program.others ?? [])];
  const libraries = await librariesOf(node);
  for (const each of programs) libraries.push(each, ...(await librariesOfProgram(each)));
  const own = libraries.map((path) => [path, path] as const);
  const places = new Map([...own, ...files, [NODE, node]]);
  // No shell to start it by: the kernel reads the first line, Node the rest.
  const launcher = (words: readonly string[]) => {
    const put = words.length > 0 ? `process.argv.splice(2, 0, ...${JSON.stringify(words)});\n` : "";
    return `#!${NODE} --disable-warning=ExperimentalWarning\n${put}import(${quote(module)});\n`;
  };
  const entries: TarInput[] = [
    ...directoriesOf([...places.keys(), "/etc/passwd", "/root/", "/tmp/"]),
    { name: "etc/passwd", mode: 0o644, content: PASSWD },
    { name: "etc/group", mode: 0o644, content: GROUP },
    ...commands.map(([name, words]) => {
      return { name: `usr/local/bin/${name}`, mode: 0o755, content: launcher(words) };
    }),
  ];
  entries.push(...(await fileEntries(places)));
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const start = isEntrypoint ? { Entrypoint: [command] } : { Cmd: [command] };
  return {
    name: image,
    entries,
    config: { Env: [IMAGE_PATH, ...variables], ...start, WorkingDir: "/" },
  };
}

/** The entries of files of this machine, by their places in the image. */
export async function fileEntries(places: ReadonlyMap<string, string>): Promise<TarInput[]> {
  const sorted = [...places].sort(([a], [b]) => (a < b ? -1 : 1));
  return Promise.all(
    sorted.map(async ([place, path]) => {
      const executable = ((await stat(path)).mode & 0o111) !== 0;
      const mode = executable ? 0o755 : 0o644;
      return { name: place.slice(1), mode, content: await readFile(path) };
    }),
  );
}

const quote = (text: string) => JSON.stringify(text);

/** Returns the libraries that a Node has loaded, its loader among them, from its own report. */
async function librariesOf(node: string): Promise<string[]> {
  const print = "JSON.stringify(process.report.getReport().sharedObjects)";
  const { stdout } = await run(node, ["-p", print], { env: {} });
  const shared = JSON.parse(stdout) as string[];
  // The kernel's own page has a name and no file.
  return shared.filter((path) => path.startsWith("/"));
}

/** Returns the libraries that a program would load, its loader among them. */
export async function librariesOfProgram(path: string): Promise<string[]> {
  const { stdout } = await run("ldd", [path]);
  return [...stdout.matchAll(/(?:=> |^\s+)(\/\S+)/gm)].map(([, library]) => library!);
}

/** Every directory above some places, the outer ones first; /tmp is for all. */
export function directoriesOf(places: readonly string[]): TarInput[] {
  const found = new Set<string>();
  for (const place of places) {
    const directory = place.endsWith("/") ? place.slice(0, -1) : posix.dirname(place);
    for (let at = directory; at !== "/"; at = posix.dirname(at)) found.add(at);
  }
  return [...found].sort().map((path): TarInput => {
    return { name: `${path.slice(1)}/`, type: "directory", mode: path === "/tmp" ? 0o1777 : 0o755 };
  });
}
