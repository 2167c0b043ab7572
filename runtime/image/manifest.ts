import { IMAGE_LAYERS } from "../limits.ts";
import { RuntimeError } from "../errors.ts";
import { DIGEST } from "./reference.ts";

/** Media types of the OCI image spec and of docker's schema 2, which mean the same. */
export const MediaType = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
} as const;

/** A piece of content: what it is, its hash, its size. */
export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { architecture?: string; os?: string; variant?: string };
  annotations?: Record<string, string>;
}

export interface ImageManifest {
  schemaVersion: 2;
  mediaType?: string;
  config: Descriptor;
  layers: Descriptor[];
  annotations?: Record<string, string>;
}

export interface ImageIndex {
  schemaVersion: 2;
  mediaType?: string;
  manifests: Descriptor[];
}

/** An image's configuration, the fields that we use (OCI image spec, config.md). */
export interface ImageConfig {
  architecture: string;
  os: string;
  created?: string;
  config?: {
    User?: string;
    Env?: string[];
    Entrypoint?: string[] | null;
    Cmd?: string[] | null;
    WorkingDir?: string;
    StopSignal?: string;
    Labels?: Record<string, string> | null;
    Volumes?: Record<string, unknown> | null;
    ExposedPorts?: Record<string, unknown> | null;
  };
  rootfs: { type: "layers"; diff_ids: string[] };
  history?: { created_by?: string; empty_layer?: boolean }[];
}

const malformed = (what: string) =>
  new RuntimeError("invalid-argument", `malformed image: ${what}`);

function parseObject(bytes: Buffer, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new RuntimeError("invalid-argument", `malformed image: ${what} is not JSON`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed(`${what} is not an object`);
  }
  return value as Record<string, unknown>;
}

function requireDescriptor(value: unknown, what: string): Descriptor {
  const entry = value as Partial<Descriptor> | undefined;
  if (typeof entry?.digest !== "string" || !DIGEST.test(entry.digest)) {
    throw malformed(`${what} has no good digest`);
  }
  if (typeof entry.size !== "number" || !(entry.size >= 0)) throw malformed(`${what} has no size`);
  return { ...entry, mediaType: String(entry.mediaType ?? "") } as Descriptor;
}

/** An index or a manifest, told apart by what is in it: the media type inside is optional. */
export function parseManifest(
  bytes: Buffer,
): { kind: "index"; index: ImageIndex } | { kind: "manifest"; manifest: ImageManifest } {
  const object = parseObject(bytes, "the manifest");
  if (object["schemaVersion"] !== 2) {
    throw malformed(`manifest schema ${String(object["schemaVersion"])}, only 2 is supported`);
  }
  if (Array.isArray(object["manifests"])) {
    const manifests = object["manifests"].map((entry) => requireDescriptor(entry, "a manifest"));
    return { kind: "index", index: { ...object, schemaVersion: 2, manifests } };
  }
  if (!Array.isArray(object["layers"])) throw malformed("the manifest has no layers");
  if (object["layers"].length > IMAGE_LAYERS) {
    throw malformed(`${object["layers"].length} layers, at most ${IMAGE_LAYERS} are supported`);
  }
  const layers = object["layers"].map((entry) => requireDescriptor(entry, "a layer"));
  const config = requireDescriptor(object["config"], "the config");
  return { kind: "manifest", manifest: { ...object, schemaVersion: 2, config, layers } };
}

/** An image's configuration, with one diff id per layer that has content. */
export function parseImageConfig(bytes: Buffer, layers: number): ImageConfig {
  const object = parseObject(bytes, "the config") as unknown as ImageConfig;
  const diffIds = object.rootfs?.diff_ids;
  if (!Array.isArray(diffIds) || !diffIds.every((id) => DIGEST.test(String(id)))) {
    throw malformed("the config has no good diff_ids");
  }
  if (diffIds.length !== layers) {
    throw malformed(`${layers} layers and ${diffIds.length} diff_ids`);
  }
  return object;
}

/** The platform that images are chosen for, in the image spec's (Go's) words. */
export function hostPlatform(): { os: string; architecture: string; variant?: string } {
  const architectures: Record<string, string> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" };
  const architecture = architectures[process.arch] ?? process.arch;
  return { os: process.platform, architecture };
}

/** The manifest for this machine in an index; throws not-found, naming what there is. */
export function choosePlatform(index: ImageIndex, wanted = hostPlatform()): Descriptor {
  const chosen = index.manifests.find(
    ({ platform }) =>
      platform?.os === wanted.os && platform.architecture === wanted.architecture,
  );
  // An index made by tools for one platform may name none.
  const only = index.manifests.length === 1 ? index.manifests[0] : undefined;
  const found = chosen ?? (only?.platform === undefined ? only : undefined);
  if (found !== undefined) return found;
  const there = index.manifests.map(({ platform: p }) => `${p?.os}/${p?.architecture}`);
  throw new RuntimeError(
    "not-found",
    `no image for ${wanted.os}/${wanted.architecture}, there is ${there.join(", ") || "none"}`,
  );
}
