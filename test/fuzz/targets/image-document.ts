import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { type ImageConfig, parseImageConfig } from "@raft2kube/runtime/image/config.ts";
import {
  choosePlatform,
  type Descriptor,
  parseManifest,
} from "@raft2kube/runtime/image/manifest.ts";
import { pick } from "@raft2kube/std/random.ts";
import { mutateJson } from "../mutate-json.ts";
import type { Target } from "../target.ts";

const digest = `sha256:${"0a".repeat(32)}`;
const descriptor = { mediaType: "application/x.tar+gzip", digest, size: 7 };
const platform = { os: "linux", architecture: "amd64", variant: "v1" };
const DOCUMENTS = [
  { schemaVersion: 2, mediaType: "a", config: descriptor, layers: [descriptor, descriptor] },
  {
    schemaVersion: 2,
    manifests: [{ ...descriptor, platform, annotations: { name: "value" } }, descriptor],
  },
  {
    architecture: "amd64",
    os: "linux",
    created: "1970-01-01T00:00:00Z",
    config: {
      User: "1000:web",
      Env: ["PATH=/bin", "A="],
      Entrypoint: ["/bin/sh"],
      Cmd: ["-c", "true"],
      WorkingDir: "/tmp",
      StopSignal: "SIGTERM",
      Labels: { a: "b" },
      ExposedPorts: { "80/tcp": {} },
    },
    rootfs: { type: "layers", diff_ids: [digest] },
  },
];

const REFUSALS = ["invalid-argument", "not-found"];

/** Returns the result of reading a document, or undefined if it was refused. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof RuntimeError && REFUSALS.includes(thrown.code)) return undefined;
    throw thrown;
  }
}

/** A manifest, an index or a configuration of an image. */
export const imageDocument: Target = {
  name: "image-document",
  corpus: async () => DOCUMENTS.map((document) => Buffer.from(JSON.stringify(document))),
  seal: (_bytes, random) => {
    return Buffer.from(JSON.stringify(mutateJson(pick(random, DOCUMENTS), random)));
  },
  async read(bytes) {
    const config = attempt(() => parseImageConfig(bytes, 1));
    if (config) checkConfig(config);
    const parsed = attempt(() => parseManifest(bytes));
    if (parsed?.kind === "index") {
      attempt(() => choosePlatform(parsed.index));
      parsed.index.manifests.forEach(checkDescriptor);
    } else if (parsed) {
      [parsed.manifest.config, ...parsed.manifest.layers].forEach(checkDescriptor);
    }
    return config || parsed ? "taken" : "refused";
  },
};

/** Every field is of its type: what reads a document asks for no more. */
function checkTexts(texts: unknown[]): void {
  const wrong = texts.find((text) => {
    return text !== undefined && (typeof text !== "string" || text.includes("\0"));
  });
  if (wrong !== undefined) throw new Error(`${JSON.stringify(wrong)} is taken for a text`);
}

function checkDescriptor(descriptor: Descriptor): void {
  const { os, architecture, variant } = descriptor.platform ?? {};
  const { annotations = {} } = descriptor;
  checkTexts([descriptor.mediaType, os, architecture, variant, ...Object.values(annotations)]);
  if (!/^sha(256|512):[0-9a-f]+$/.test(descriptor.digest)) throw new Error("no digest");
  if (!(Number.isSafeInteger(descriptor.size) && descriptor.size >= 0)) throw new Error("no size");
}

function checkConfig({ architecture, os, created, config = {}, rootfs }: ImageConfig): void {
  const { User, Env = [], Entrypoint = [], Cmd = [], WorkingDir, StopSignal } = config;
  const labels = Object.values(config.Labels ?? {});
  checkTexts([architecture, os, created, User, WorkingDir, StopSignal, ...labels]);
  checkTexts([...Env, ...Entrypoint, ...Cmd, ...rootfs.diff_ids]);
  if (WorkingDir && !WorkingDir.startsWith("/")) throw new Error("WorkingDir is not absolute");
}
