import { readlinkSync } from "node:fs";
import { chmod, mkdtempDisposable } from "node:fs/promises";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { OciMount } from "@raft2kube/runtime/oci/spec.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { copyContent } from "../files/copy.ts";
import { booleanOf, bytesOf, integerOf } from "../run/values.ts";
import type { Doing } from "./doing.ts";
import { expand, type Variables } from "./expand.ts";
import { type CacheWish, takeMountCache } from "./mount-caches.ts";
import { badLine, type Instruction } from "./parse.ts";
import type { Source } from "./source.ts";
import { readOnlyTree } from "./stage.ts";

/** A `--mount` of RUN. */
export interface RunMount extends CacheWish {
  type: "bind" | "cache" | "tmpfs";
  target: string;
  source: string;
  from?: string;
  isReadOnly: boolean;
  /** The size of memory, at most. */
  size_bytes?: number;
}

const KEYS = new Set(
  (
    "type target dst destination source src from id ro readonly rw readwrite sharing mode " +
    "uid gid size"
  ).split(" "),
);

/** Reads the mounts of a RUN, in a working directory; `secret` and `ssh` are refused. */
export function mountsOf(
  { flags, line, escape }: Instruction,
  variables: Variables,
  workingDir = "/",
): RunMount[] {
  return (flags.get("mount") ?? []).map((text) => {
    const pairs = expand(text, variables, escape)
      .split(",")
      .map((part) => part.split(/=(.*)/s, 2));
    const unknown = pairs.find(([key = ""]) => !KEYS.has(key));
    if (unknown) throw badLine(line, `--mount ${unknown[0]} is not supported`);
    const fields = new Map(pairs.map(([key = "", value = "true"]) => [key, value]));
    const take = (...keys: string[]) =>
      keys.map((key) => fields.get(key)).find((value) => value !== undefined);
    const type = take("type") ?? "bind";
    if (type !== "bind" && type !== "cache" && type !== "tmpfs") {
      throw badLine(line, `--mount type=${type} is not supported`);
    }
    const sharing = take("sharing") ?? "shared";
    if (sharing !== "shared" && sharing !== "locked" && sharing !== "private") {
      throw badLine(line, `--mount sharing=${sharing} is not shared, locked or private`);
    }
    const given = take("target", "dst", "destination");
    if (!given) throw badLine(line, "--mount needs target=...");
    const target = path.posix.resolve(workingDir, given);
    const mode = take("mode") ?? "755";
    if (!/^[0-7]{3,4}$/.test(mode)) throw badLine(line, `--mount mode=${mode} is no octal mode`);
    const from = take("from");
    if (from !== undefined && type !== "bind") {
      throw badLine(line, `--mount from= of type=${type} is not supported`);
    }
    const truth = (...keys: string[]) => {
      const text = take(...keys);
      return text === undefined ? undefined : booleanOf(`--mount ${keys[0]}`, text);
    };
    const isReadOnly = truth("ro", "readonly") ?? !(truth("rw", "readwrite") ?? type !== "bind");
    const size = take("size");
    return {
      type,
      target,
      sharing,
      source: take("source", "src") ?? ".",
      id: take("id") ?? target,
      isReadOnly,
      mode: Number.parseInt(mode, 8),
      uid: integerOf("--mount uid", take("uid") ?? "0"),
      gid: integerOf("--mount gid", take("gid") ?? "0"),
      ...(size !== undefined && { size_bytes: bytesOf("--mount size", size) }),
      ...(from !== undefined && { from }),
    };
  });
}

/** The real path of a place beneath a root; links do not lead out of it. */
function placeIn(root: string, place: string): string {
  const inside = path.posix.normalize(`/${place}`).slice(1) || ".";
  try {
    using directory = Directory.open(root);
    using found = directory.handle(inside, { links: "inside" });
    return readlinkSync(`/proc/self/fd/${found.fd}`);
  } catch (cause) {
    if (!isErrno(cause, "ENOENT", "ENOTDIR", "ELOOP")) throw cause;
    throw new RuntimeError("not-found", `--mount: there is no ${place}`, { cause });
  }
}

/** A file to mount of a place of the context: where anything is left out, a copy without that. */
export async function contextPlace(
  source: Source,
  place: string,
  { work, now_ms }: { work: string; now_ms: number },
  stack: AsyncDisposableStack,
): Promise<string> {
  const file = placeIn(source.root, place);
  if (!source.leavesOut) return file;
  const inside = path.relative(source.root, file);
  if (inside !== "" && source.isIgnored(inside)) {
    throw new RuntimeError("not-found", `--mount: .dockerignore leaves ${place} out`);
  }
  using root = Directory.open(source.root);
  using found = root.handle(inside || ".");
  const stats = found.stats();
  if (!stats.isDirectory()) return file;
  const copy = stack.use(await mkdtempDisposable(path.join(work, "mount-")));
  using from = root.directory(inside || ".");
  using to = Directory.open(copy.path);
  const options = { keepsOwners: true, leaveOut: source.isIgnored, now_ms };
  await copyContent(from, to, options, inside);
  await chmod(copy.path, stats.mode & 0o7777);
  return copy.path;
}

/** Makes the mounts of a RUN ready for the time of `work`. */
export async function withMounts<T>(
  doing: Doing,
  mounts: readonly RunMount[],
  work: (mounts: OciMount[]) => Promise<T>,
): Promise<T> {
  await using stack = new AsyncDisposableStack();
  const caches = new Map<string, string>();
  // In one order: steps that wait for each other's caches would never go on.
  for (const wish of mounts.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    if (wish.type !== "cache" || caches.has(wish.id)) continue;
    const { folder, lock } = await takeMountCache(doing.builder, wish);
    stack.use(lock);
    caches.set(wish.id, folder);
  }
  const ready: OciMount[] = [];
  for (const mount of mounts) {
    const { target: destination, type, size_bytes } = mount;
    if (type === "tmpfs") {
      const size = size_bytes === undefined ? [] : [`size=${size_bytes}`];
      ready.push({ destination, type, source: type, options: ["nosuid", "nodev", ...size] });
      continue;
    }
    const source = type === "cache" ? caches.get(mount.id)! : await boundPlace(doing, mount, stack);
    const options = ["bind", "rprivate", mount.isReadOnly ? "ro" : "rw"];
    ready.push({ destination, source, type: "bind", options });
  }
  return await work(ready);
}

/** The file of a mount of the context, of an image or a stage. */
async function boundPlace(
  { builder, sources, stage }: Doing,
  { isReadOnly, from, source }: RunMount,
  stack: AsyncDisposableStack,
): Promise<string> {
  // In docker, writes there are lost.
  if (!isReadOnly) {
    throw new RuntimeError("unimplemented", "--mount type=bind,rw is not supported");
  }
  if (from === undefined) {
    const place = { work: builder.work, now_ms: builder.host.clock.now() };
    return contextPlace(sources.context, source, place, stack);
  }
  const { draft } = await sources.draftNamed(from, stage.index);
  return placeIn(stack.use(await readOnlyTree(builder, draft)).root, source);
}
