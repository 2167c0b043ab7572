import { RuntimeError } from "../errors.ts";
import { IMAGE_LAYERS } from "../limits.ts";
import { Fields, malformed, parseJson } from "./json.ts";
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
}

type ImageIndex = { schemaVersion: 2; manifests: Descriptor[] };

type Parsed = { kind: "index"; index: ImageIndex } | { kind: "manifest"; manifest: ImageManifest };

function decodePlatform(fields: Fields): Descriptor["platform"] {
  const [architecture, os, variant] = ["architecture", "os", "variant"].map((name) => {
    return fields.text(name);
  });
  return {
    ...(architecture !== undefined && { architecture }),
    ...(os !== undefined && { os }),
    ...(variant !== undefined && { variant }),
  };
}

function decodeDescriptor(value: unknown, what: string): Descriptor {
  const fields = new Fields(value, what);
  const digest = fields.text("digest");
  if (digest === undefined || !DIGEST.test(digest)) throw malformed(`${what} has no good digest`);
  const size = fields.raw("size");
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw malformed(`${what} has no good size`);
  }
  const platform = fields.fields("platform");
  const annotations = fields.textsByName("annotations");
  return {
    mediaType: fields.text("mediaType") ?? "",
    digest,
    size,
    ...(platform && { platform: decodePlatform(platform) }),
    ...(annotations && { annotations }),
  };
}

/**
 * An index or a manifest, distinguished by its fields: the media type inside is optional. Fields
 * that we do not use are left out; one that is not what the image spec says is invalid-argument.
 */
export function parseManifest(bytes: Buffer): Parsed {
  return decodeManifest(parseJson(bytes, "the manifest"));
}

export function decodeManifest(value: unknown): Parsed {
  const fields = new Fields(value, "the manifest");
  if (fields.raw("schemaVersion") !== 2) throw malformed("the manifest's schemaVersion is not 2");
  const manifests = fields.list("manifests")?.map((entry) => {
    return decodeDescriptor(entry, "a manifest of the index");
  });
  const list = fields.list("layers");
  if (manifests) {
    // Others would take it for a manifest: what they check is not what runs here (CVE-2021-41190).
    if (list ?? fields.raw("config")) throw malformed("the document is an index and a manifest");
    return { kind: "index", index: { schemaVersion: 2, manifests } };
  }
  if (list === undefined) throw malformed("the manifest has no layers");
  if (list.length > IMAGE_LAYERS) {
    throw malformed(`${list.length} layers, at most ${IMAGE_LAYERS} are supported`);
  }
  const layers = list.map((entry) => decodeDescriptor(entry, "a layer"));
  const config = decodeDescriptor(fields.raw("config"), "the manifest's config");
  const mediaType = fields.text("mediaType");
  const manifest = { schemaVersion: 2, ...(mediaType && { mediaType }), config, layers } as const;
  return { kind: "manifest", manifest };
}

/** The platform of what is made here, in the image spec's (Go's) words. */
export function hostPlatform(): { os: string; architecture: string } {
  const architectures: Record<string, string> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" };
  const architecture = architectures[process.arch] ?? process.arch;
  return { os: process.platform, architecture };
}

/** Platforms that a processor runs, the best first: containerd sorts so. */
const RUNS: Readonly<Record<string, readonly string[]>> = {
  amd64: ["amd64", "amd64/v1", "386"],
  arm64: ["arm64", "arm64/v8", "arm/v8", "arm/v7", "arm", "arm/v6", "arm/v5"],
};

const nameOf = ({ platform: p }: Descriptor) =>
  [p?.os, p?.architecture, ...(p?.variant ? [p.variant] : [])].join("/");

const PLATFORMS_NAMED = 20;

/** The manifest for this machine in an index; throws not-found, naming what there is. */
export function choosePlatform(index: ImageIndex, wanted = hostPlatform()): Descriptor {
  const { manifests } = index;
  const { os, architecture } = wanted;
  const names = manifests.map(nameOf);
  const ranked = (RUNS[architecture] ?? [architecture]).map((each) => `${os}/${each}`);
  const chosen = manifests[names.indexOf(ranked.find((each) => names.includes(each)) ?? "")];
  // An index made by tools for one platform may name none.
  const only = manifests.length === 1 ? manifests[0] : undefined;
  const found = chosen ?? (only?.platform === undefined ? only : undefined);
  if (found !== undefined) return found;
  const there = names.slice(0, PLATFORMS_NAMED).map((name) => name.slice(0, 40));
  const message = `no image for ${os}/${architecture}, there is ${there.join(", ") || "none"}`;
  throw new RuntimeError("not-found", message);
}
