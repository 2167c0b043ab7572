import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { type CopyOptions, copyContent, copyEntry } from "../files/copy.ts";
import { type OpenPlace, openPlace, placeIn, withRoot } from "../files/place.ts";

export function command(find: FindHost): Command {
  return new Command("cp")
    .argument("<from>")
    .argument("<to>")
    .description("Copy between a container (NAME:PATH) and this machine.")
    .option("-a, --archive", "keep owners, devices, set-id bits and capabilities")
    .action(async (from: string, to: string, { archive = false }: { archive?: boolean }) => {
      const [source, target] = [sideOf(from), sideOf(to)];
      if ((source.container === undefined) === (target.container === undefined)) {
        throw new RuntimeError("invalid-argument", "one side is NAME:PATH, the other a path here");
      }
      const host = await find();
      const how = {
        contentOnly: source.file.endsWith("/."),
        intoDirectory: target.file.endsWith("/"),
        keepsOwners: archive,
        keepsRights: archive || target.container !== undefined,
        now_ms: host.clock.now(),
      };
      const here = ({ file }: Side) =>
        openPlace({ root: "/", inside: path.resolve(file).slice(1) || "." });
      const inContainer = ({ container, file }: Side, work: (at: OpenPlace) => Promise<unknown>) =>
        withEngine(host, (engine) => {
          const found = engine.containers.get(container!);
          return withRoot(engine, found, async (rootfs) => {
            const place = openPlace(placeIn(rootfs, found, file));
            // Others do not wait for a copy, but a start must for one into a container's own root.
            if (source.container !== undefined || found.record.phase.state === "running") {
              return () => work(place);
            }
            await work(place);
            return undefined;
          });
        });
      const copying = await (source.container === undefined
        ? inContainer(target, (to) => copy(here(source), to, how))
        : inContainer(source, (from) => copy(from, here(target), how)));
      await copying?.();
    });
}

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

interface How {
  contentOnly: boolean;
  intoDirectory: boolean;
  keepsOwners: boolean;
  keepsRights: boolean;
  now_ms: number;
}

async function copy(from: OpenPlace, to: OpenPlace, how: How): Promise<void> {
  using sourceRoot = from.root;
  using targetRoot = to.root;
  using source = sourceRoot.find(from.inside, { links: "inside" });
  if (source === undefined) throw new RuntimeError("not-found", `there is no /${from.inside}`);
  const { keepsOwners, keepsRights, now_ms } = how;
  const options: CopyOptions = { keepsOwners, keepsRights, now_ms };
  using existing = targetRoot.find(to.inside, { links: "inside" });
  const isDirectory = existing?.stats().isDirectory() ?? false;
  const isTree = source.stats().isDirectory();
  if (how.intoDirectory && !isDirectory && (existing !== undefined || !isTree)) {
    throw new RuntimeError("not-found", `/${to.inside} is no directory`);
  }
  if (isTree && existing !== undefined && !isDirectory) {
    throw new RuntimeError("invalid-argument", `/${to.inside} is no directory to copy one to`);
  }
  const at = { folder: path.posix.dirname(from.inside), name: path.posix.basename(from.inside) };
  if (source.stats().isDirectory() && (how.contentOnly || from.inside === ".")) {
    using content = sourceRoot.directory(from.inside, { links: "inside" });
    using target = isDirectory
      ? targetRoot.directory(to.inside, { links: "inside" })
      : targetRoot.makeDirectories(to.inside, 0o755, { links: "inside" });
    return await copyContent(content, target, options);
  }
  const into = isDirectory
    ? { folder: to.inside, name: at.name }
    : { folder: path.posix.dirname(to.inside), name: path.posix.basename(to.inside) };
  using parent: Directory = targetRoot.directory(into.folder, { links: "inside" });
  using holder = sourceRoot.directory(at.folder, { links: "inside" });
  const entry = { parent: holder, name: at.name, handle: source };
  await copyEntry(entry, { parent, name: into.name }, options);
}
