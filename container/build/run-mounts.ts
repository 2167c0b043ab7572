import { readlinkSync } from "node:fs";
import { chmod, mkdtempDisposable } from "node:fs/promises";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { OciMount } from "@raft2kube/runtime/oci/spec.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { copyContent } from "../files/copy.ts";
import { booleanOf, bytesOf, fieldsOf, integer, read } from "../run/values.ts";
import { expand, type Variables } from "./expand.ts";
import { type CacheWish, takeMountCache } from "./mount-caches.ts";
import { badLine, type Instruction } from "./parse.ts";
import type { Source } from "./source.ts";
import { type Doing, readOnlyTree } from "./stage.ts";

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

const FIELDS = {
  keys: [
    ...["type", "target dst destination", "source src", "from", "id", "sharing", "mode", "uid"],
    ...["gid", "size"],
  ],
  switches: ["ro readonly", "rw readwrite"],
};

const oneOf = <T extends string>(words: readonly T[], word: string): T | undefined =>
  words.find((each) => each === word);

/** Reads the mounts of a RUN, in a working directory; `secret` and `ssh` are refused. */
export function mountsOf(
  { flags, line }: Instruction,
  variables: Variables,
  workingDir = "/",
): RunMount[] {
  const bad = (why: string) => badLine(line, `--mount ${why}`);
  return (flags.get("mount") ?? []).map((text) => {
    const fields = read("--mount", expand(text, variables), (all) => fieldsOf(all, FIELDS));
    const { mode = "755", from, size, ro, rw } = fields;
    const type = oneOf(["bind", "cache", "tmpfs"], fields["type"] ?? "bind");
    if (type === undefined) throw bad(`type=${fields["type"]} is not supported`);
    const sharing = oneOf(["shared", "locked"], fields["sharing"] ?? "shared");
    if (sharing === undefined) throw bad(`sharing=${fields["sharing"]} is not shared or locked`);
    if (!fields["target"]) throw bad("needs target=...");
    const target = path.posix.resolve(workingDir, fields["target"]);
    if (!/^[0-7]{3,4}$/.test(mode)) throw bad(`mode=${mode} is no octal mode`);
    if (from !== undefined && type !== "bind") throw bad(`from= of type=${type} is not supported`);
    const truth = (name: string, given: string | undefined, otherwise: boolean) =>
      given === undefined ? otherwise : read(`--mount ${name}`, given, booleanOf);
    return {
      type,
      target,
      sharing,
      source: fields["source"] ?? ".",
      id: fields["id"] ?? target,
      isReadOnly: truth("ro", ro, !truth("rw", rw, type !== "bind")),
      mode: Number.parseInt(mode, 8),
      uid: read("--mount uid", fields["uid"] ?? "0", integer()),
      gid: read("--mount gid", fields["gid"] ?? "0", integer()),
      ...(size !== undefined && { size_bytes: read("--mount size", size, bytesOf) }),
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
  if (!isReadOnly) throw new RuntimeError("unimplemented", "--mount type=bind,rw is not supported");
  if (from === undefined) {
    const place = { work: builder.work, now_ms: builder.host.clock.now() };
    return contextPlace(sources.context, source, place, stack);
  }
  const { draft } = await sources.draftNamed(from, stage.index);
  return placeIn(stack.use(await readOnlyTree(builder, draft)).root, source);
}
