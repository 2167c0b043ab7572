import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";

/** A Dockerfile with the recorded answer. */
export interface Case {
  name: string;
  dockerfile: string;
  ignore: string | undefined;
  /** The reason why ours is another. */
  differs: string | undefined;
  /** Lines about what buildah makes of it. */
  answer: string[];
}

/** The image that the cases start from. */
export const PLAIN: Case = {
  name: "",
  dockerfile: "FROM bb:1",
  ignore: undefined,
  differs: undefined,
  answer: [],
};

const ANSWER = "| ";

/** Reads the file of cases: an introduction, and the cases. */
export function readCases(text: string): { introduction: string; cases: Case[] } {
  const [introduction = "", ...parts] = text.split(/^=== (.*)$/m);
  const cases: Case[] = [];
  for (let at = 0; at < parts.length; at += 2) {
    const lines = parts[at + 1]!.replace(/^\n|\n$/g, "").split("\n");
    const answer = lines.filter((line) => line.startsWith(ANSWER));
    const given = lines.filter((line) => !/^[|!] /.test(line)).join("\n");
    const differs = lines.find((line) => line.startsWith("! "))?.slice(2);
    const [, ignore, rest] = /^--- \.dockerignore\n(.*?\n)(FROM .*)$/s.exec(given) ?? [];
    cases.push({
      name: parts[at]!,
      dockerfile: rest ?? given,
      ignore,
      differs,
      answer: answer.map((line) => line.slice(ANSWER.length)),
    });
  }
  return { introduction, cases };
}

export function writeCases({ introduction, cases }: ReturnType<typeof readCases>): string {
  return (
    introduction +
    cases
      .map(({ name, dockerfile, ignore, differs, answer }) =>
        [
          `=== ${name}`,
          ...(ignore === undefined ? [] : ["--- .dockerignore", ignore.trimEnd()]),
          dockerfile,
          ...(differs === undefined ? [] : [`! ${differs}`]),
          ...answer.map((line) => ANSWER + line),
          "",
        ].join("\n"),
      )
      .join("")
  );
}

/** Times of the context's files; what a build makes is later. */
const DEFINED_UNTIL_MS = Date.UTC(2020, 0);
const OLD_S = Date.UTC(2001, 1, 3) / 1000;

/** Makes the context of all cases, with the files of one. */
export function makeContext(folder: string, { dockerfile, ignore }: Case): void {
  const tree = join(folder, "../tree");
  for (const each of [folder, tree]) rmSync(each, { recursive: true, force: true });
  const folders = ["dir/sub", "dir", "dir2", "links", "with blank"];
  for (const name of [...folders, "../tree"]) mkdirSync(join(folder, name), { recursive: true });
  const write = (name: string, mode = 0o644) => {
    writeFileSync(join(folder, name), `${name}\n`);
    chmodSync(join(folder, name), mode);
    utimesSync(join(folder, name), OLD_S, OLD_S);
  };
  for (const name of [
    "a",
    "old",
    "dir/a.txt",
    "dir/b.txt",
    "dir/c.md",
    "dir/long.txt",
    "dir/sub/deep.txt",
    "dir2/x",
    "with blank/b l",
    "../tree/f",
  ])
    write(name);
  write("exec", 0o755);
  write("secret", 0o600);
  symlinkSync("../a", join(folder, "links/to-a"));
  symlinkSync("/nowhere", join(folder, "links/dangling"));
  linkSync(join(tree, "f"), join(tree, "h"));
  for (const [name, ...flags] of [["tree.tar"], ["tree.tar.gz", "-z"]] as const) {
    const owner = ["--owner=21:21", "--group=22:22", "--mtime=@900000000", "--sort=name"];
    const file = join(folder, name);
    execFileSync("tar", [...owner, ...flags, "-cf", file, "-C", join(folder, ".."), "tree"]);
    utimesSync(file, OLD_S, OLD_S);
  }
  for (const name of folders) utimesSync(join(folder, name), OLD_S, OLD_S);
  writeFileSync(join(folder, "Dockerfile"), dockerfile);
  utimesSync(join(folder, "Dockerfile"), OLD_S, OLD_S);
  if (ignore === undefined) return;
  writeFileSync(join(folder, ".dockerignore"), ignore);
  utimesSync(join(folder, ".dockerignore"), OLD_S, OLD_S);
}

/** A tree's files, one a line: mode, owner, place, content, and the time where one was given. */
export function linesOf(root: string): string[] {
  const lines: string[] = [];
  const links = new Map<string, string>();
  const walk = (directory: Directory, place: string) => {
    for (const name of [...directory.names()].map(String).sort()) {
      const shown = `${place}/${name}`;
      const file = join(root, shown);
      const stats = lstatSync(file);
      const identity = `${stats.dev}:${stats.ino}`;
      const first = stats.nlink > 1 && stats.isFile() ? links.get(identity) : undefined;
      if (first === undefined) links.set(identity, shown);
      const isOld = stats.mtimeMs < DEFINED_UNTIL_MS && !stats.isSymbolicLink();
      using handle = directory.handle(name);
      const attributes = [...(stats.isSymbolicLink() ? [] : handle.attributes())]
        .filter(([key]) => key === "security.capability" || key.startsWith("user."))
        .map(([key, value]) => ` ${key}=${value.toString("hex")}`)
        .join("");
      const content = stats.isSymbolicLink()
        ? ` -> ${readlinkSync(file)}`
        : stats.isFile()
          ? ` ${first === undefined ? contentOf(file) : `= ${first}`}`
          : "";
      const time = isOld ? ` @${stats.mtimeMs / 1000}` : "";
      const owner = `${stats.uid}:${stats.gid}`;
      lines.push(`${stats.mode.toString(8)} ${owner} ${shown}${content}${time}${attributes}`);
      if (!stats.isDirectory()) continue;
      using inner = directory.directory(name);
      walk(inner, shown);
    }
  };
  using directory = Directory.open(root);
  walk(directory, "");
  return lines;
}

function contentOf(file: string): string {
  const content = readFileSync(file);
  const text = JSON.stringify(content.toString("utf8"));
  if (text.length < 60) return text;
  return `sha256:${createHash("sha256").update(content).digest("hex").slice(0, 12)}`;
}

/** Settings of an image that a Dockerfile gives; empty ones are none. */
const SETTINGS = [
  "User",
  "ExposedPorts",
  "Env",
  "Entrypoint",
  "Cmd",
  "Volumes",
  "WorkingDir",
  "Labels",
  "StopSignal",
];

/** Places that buildah makes for its mounts and leaves in a layer. */
const MOUNT_POINT = /^\d+ 0:0 \/(dev|proc|run|sys|etc\/(hostname|hosts|resolv.conf))( "")?$/;

/** The answer of a build: its settings, and the files that the base has not so. */
export function answerOf(
  config: Readonly<Record<string, unknown>>,
  files: readonly string[],
  base: readonly string[],
): string[] {
  const settings = SETTINGS.flatMap((name) => {
    const value = sorted(config[name]);
    const isEmpty =
      [undefined, null, "", "/"].includes(value as string) ||
      (typeof value === "object" && Object.keys(value!).length === 0);
    return isEmpty ? [] : [`${name} ${JSON.stringify(value)}`];
  });
  const known = new Set(base);
  const own = files.filter((line) => !known.has(line) && !MOUNT_POINT.test(line));
  const places = new Set(files.map(placeOf));
  const gone = base.map(placeOf).filter((place) => !places.has(place));
  // An image of scratch lacks most of the base.
  const missing = gone.length < base.length / 2 ? gone.map((place) => `gone ${place}`) : [];
  return [...settings, ...own, ...missing];
}

const placeOf = (line: string) => line.replace(/^\S+ \S+ (.*?)( ->| "| sha256:| = | @|$).*/, "$1");

function sorted(value: unknown): unknown {
  if (Array.isArray(value) || typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== "io.buildah.version")
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
