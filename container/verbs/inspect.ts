import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { asError } from "@raft2kube/std/errors.ts";
import { printable } from "@raft2kube/std/printable.ts";
import { each } from "../engine/each.ts";
import { withEngine } from "../engine/engine.ts";
import type { Host } from "../engine/host.ts";
import { findImage } from "../engine/images.ts";
import type { Engine } from "../engine/open-engine.ts";
import { containerDocument } from "../format/container-document.ts";
import { imageDocument, networkDocument, volumeDocument } from "../format/documents.ts";
import { template } from "../format/template.ts";
import { FORMAT, type Verb, verb } from "../verb.ts";

type Kind = "container" | "image" | "volume" | "network";

const USAGE = "inspect <name...>";
const ABOUT = "All that is known of containers, images, volumes and networks.";

export const inspect = verb(
  USAGE,
  ABOUT,
  { ...FORMAT, "--type <kind>": "container, image, volume or network", "-s, --size": "as without" },
  (host, [names], { format, type }) => show(host, names, format, type as Kind | undefined),
);

/** A kind's own: `volume inspect`. */
export const inspectOf = (kind: Kind): Verb =>
  verb(USAGE, ABOUT, FORMAT, (host, [names], { format }) => show(host, names, format, kind));

/** Prints the documents that are found, also when others are missing, for which it fails. */
async function show(host: Host, names: string[], format: string | undefined, kind?: Kind) {
  const documents: object[] = [];
  const failure = await withEngine(host, (engine) =>
    each(names, async (name) => void documents.push(await documentOf(engine, name, kind))),
  ).catch(asError);
  printDocuments(documents, format);
  if (failure) throw failure;
}

/** Prints documents as a JSON list, or each by a template. */
export function printDocuments(documents: readonly object[], format: string | undefined): void {
  const show = format === "json" ? JSON.stringify : template(format ?? "");
  const text =
    format === undefined
      ? `${JSON.stringify(documents, null, 4)}\n`
      : documents.map((document) => `${show(document)}\n`).join("");
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
