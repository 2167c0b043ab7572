import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { asError } from "@raft2kube/std/errors.ts";
import { printable } from "@raft2kube/std/printable.ts";
import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { findImage } from "../engine/images.ts";
import type { Engine } from "../engine/open-engine.ts";
import { containerDocument } from "../format/container-document.ts";
import { imageDocument, networkDocument, volumeDocument } from "../format/documents.ts";
import { template } from "../format/template.ts";
import { each } from "./each.ts";

type Kind = "container" | "image" | "volume" | "network";

/** `inspect`, or a kind's own: `volume inspect`. */
export function command(find: FindHost, only?: Kind): Command {
  const inspect = new Command("inspect")
    .argument("<name...>")
    .description("All that is known of containers, images, volumes and networks.")
    .option("-f, --format <template>", "json, or a template: {{.State.Pid}}");
  if (only === undefined) inspect.option("--type <kind>", "container, image, volume or network");
  return inspect.action(async (names: string[], flags: { format?: string; type?: Kind }) => {
    const { format, type = only } = flags;
    const documents: object[] = [];
    // Documents that are found are printed, also when others are missing.
    const failure = await withEngine(await find(), (engine) =>
      each(names, async (name) => void documents.push(await documentOf(engine, name, type))),
    ).catch(asError);
    printDocuments(documents, format);
    if (failure) throw failure;
  });
}

/** Prints documents as a JSON list, or each by a template. */
export function printDocuments(documents: readonly object[], format: string | undefined): void {
  const text =
    format === undefined
      ? `${JSON.stringify(documents, null, 4)}\n`
      : format === "json"
        ? documents.map((document) => `${JSON.stringify(document)}\n`).join("")
        : documents
            .map(template(format))
            .map((line) => `${line}\n`)
            .join("");
  process.stdout.write(printable(text));
}

/** The first of that name among containers, images, volumes and networks, in docker's order. */
async function documentOf(engine: Engine, name: string, type: Kind | undefined): Promise<object> {
  const wants = (kind: Kind) => type === undefined || type === kind;
  const container = wants("container") ? engine.containers.find(name) : undefined;
  if (container) return containerDocument(engine, container);
  const image = wants("image") ? findImage(engine.runtime, name) : undefined;
  if (image) return imageDocument(image);
  const volume = wants("volume") ? await engine.volumes.find(name) : undefined;
  if (volume) return volumeDocument(engine, volume);
  const network = wants("network") ? engine.networks.find(name) : undefined;
  if (network) return networkDocument(engine, network);
  throw new RuntimeError("not-found", `no such ${type ?? "object"}: ${name}`);
}
