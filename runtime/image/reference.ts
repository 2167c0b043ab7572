import { RuntimeError } from "../errors.ts";

/** An image's name, taken apart and complete (distribution's reference grammar). */
export interface Reference {
  /** `registry.example:5000`; `docker.io` when the name had none. */
  domain: string;
  /** `library/busybox`. */
  path: string;
  /** The tag; absent when the name had a digest and no tag. */
  tag: string | undefined;
  /** `sha256:...`. */
  digest: string | undefined;
}

const DEFAULT_DOMAIN = "docker.io";
const DOMAIN = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const NAME_LENGTH = 255;

/** A digest as the OCI image spec writes it; only sha256 and sha512 are accepted. */
export const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** The first part is a registry when it has a dot or a port, or is `localhost`. */
function splitDomain(name: string): [domain: string, path: string] {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  if (first === "" || !(/[.:]/.test(first) || first === "localhost")) {
    return [DEFAULT_DOMAIN, slash < 0 ? `library/${name}` : name];
  }
  const path = name.slice(slash + 1);
  if (first === DEFAULT_DOMAIN && !path.includes("/")) return [first, `library/${path}`];
  return [first, path];
}

/**
 * Reads an image's name; a name without tag and digest gets the tag `latest`.
 * Throws invalid-argument, naming what does not fit (the kubelet shows it as InvalidImageName).
 */
export function parseReference(text: string): Reference {
  const bad = (why: string) =>
    new RuntimeError("invalid-argument", `invalid image name ${JSON.stringify(text)}: ${why}`);
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(":");
  const hasTag = colon > named.lastIndexOf("/");
  const tag = hasTag ? named.slice(colon + 1) : digest === undefined ? "latest" : undefined;
  const name = hasTag ? named.slice(0, colon) : named;
  if (name === "") throw bad("it is empty");
  const [domain, path] = splitDomain(name);
  if (!DOMAIN.test(domain)) throw bad(`${JSON.stringify(domain)} is not a registry`);
  if (!PATH.test(path)) throw bad(`${JSON.stringify(path)} is not a repository path`);
  if (domain.length + path.length > NAME_LENGTH) throw bad(`over ${NAME_LENGTH} characters`);
  if (tag !== undefined && !TAG.test(tag)) throw bad(`${JSON.stringify(tag)} is not a tag`);
  if (digest !== undefined && !DIGEST.test(digest)) throw bad("the digest is malformed");
  return { domain, path, tag, digest };
}

/** `domain/path`. */
export function repositoryOf(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** The complete name: with the digest alone when there is one, as a digest decides over a tag. */
export function formatReference(reference: Reference): string {
  const repository = repositoryOf(reference);
  if (reference.digest !== undefined) return `${repository}@${reference.digest}`;
  return `${repository}:${reference.tag}`;
}
