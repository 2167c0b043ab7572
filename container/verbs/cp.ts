import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { withEngine } from "../engine/engine.ts";
import { type CopyOptions, copyContent, copyEntry, targetOf } from "../files/copy.ts";
import { type Place, placeIn, withRoot } from "../files/place.ts";
import { verb } from "../verb.ts";

export const cp = verb(
  "cp <from> <to>",
  "Copy between a container (NAME:PATH) and this machine.",
  { "-a, --archive": "keep owners, devices, set-id bits and capabilities" },
  async (host, [from, to], { archive }) => {
    const [source, target] = [sideOf(from), sideOf(to)];
    if ((source.container === undefined) === (target.container === undefined)) {
      throw new RuntimeError("invalid-argument", "one side is NAME:PATH, the other a path here");
    }
    const how = {
      contentOnly: source.file.endsWith("/."),
      intoDirectory: target.file.endsWith("/"),
      keepsOwners: archive,
      keepsRights: archive || target.container !== undefined,
      now_ms: host.clock.now(),
    };
    const here = ({ file }: Side): Place => {
      return { root: Directory.open("/"), inside: path.resolve(file).slice(1) || "." };
    };
    const inContainer = ({ container, file }: Side, work: (at: Place) => Promise<unknown>) =>
      withEngine(host, (engine) => {
        const found = engine.containers.get(container!);
        return withRoot(engine, found, async (rootfs) => {
          const place = placeIn(rootfs, found, file);
          // Others do not wait for a copy, but a start must for one into a container's own root.
          if (source.container !== undefined || found.record.phase.state === "running") {
            return () => work(place);
          }
          await work(place);
          return undefined;
        });
      });
    const copying = await (source.container === undefined
      ? inContainer(target, (at) => copy(here(source), at, how))
      : inContainer(source, (at) => copy(at, here(target), how)));
    await copying?.();
  },
);

type Side = { container?: string; file: string };

function sideOf(text: string): Side {
  if (text === "-") {
    throw new RuntimeError("unimplemented", "cp - is not supported", {
      remedy: "tar -c ... | r2k container exec -i NAME tar -x",
    });
  }
  const [, container, file] = /^([a-zA-Z0-9][\w.-]*):(.*)$/s.exec(text) ?? [];
  return container === undefined ? { file: text } : { container, file: file || "/" };
}

type How = CopyOptions & { contentOnly: boolean; intoDirectory: boolean };

async function copy(from: Place, to: Place, how: How): Promise<void> {
  const inside = { links: "inside" } as const;
  using sourceRoot = from.root;
  using targetRoot = to.root;
  using source = sourceRoot.find(from.inside, inside);
  if (source === undefined) throw new RuntimeError("not-found", `there is no /${from.inside}`);
  using existing = targetRoot.find(to.inside, inside);
  const isDirectory = existing?.stats().isDirectory() ?? false;
  const isTree = source.stats().isDirectory();
  if (!isDirectory && (isTree ? existing !== undefined : how.intoDirectory)) {
    throw new RuntimeError("not-found", `/${to.inside} is no directory`);
  }
  if (isTree && (how.contentOnly || from.inside === ".")) {
    using content = sourceRoot.directory(from.inside, inside);
    using made = targetRoot.makeDirectories(to.inside, 0o755, inside);
    return await copyContent(content, made, how);
  }
  const name = path.posix.basename(from.inside);
  using holder = sourceRoot.directory(path.posix.dirname(from.inside), inside);
  const target = targetOf(targetRoot, to.inside.replace(/\/+$/, ""), name);
  using parent = targetRoot.directory(target.folder, inside);
  await copyEntry({ parent: holder, name, handle: source }, { parent, name: target.name }, how);
}
