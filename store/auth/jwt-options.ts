import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { CodedError } from "@raft2kube/std/errors.ts";
import { TOKEN_TTL_MS } from "../limits.ts";

/** The options of `--auth-token jwt,...`. */
export interface JwtOptions {
  signMethod: string;
  /** Key to sign tokens with; without it tokens are only verified. */
  signKey: KeyObject | undefined;
  verifyKey: KeyObject;
  ttl_ms: number;
}

const METHODS = /^((RS|PS|ES|HS)(256|384|512)|EdDSA)$/;

class TokenOptionError extends CodedError {
  constructor(message: string, cause?: unknown) {
    const remedy = "for example: jwt,pub-key=pub.pem,priv-key=key.pem,sign-method=RS256,ttl=10m";
    super("AUTH_TOKEN", `--auth-token: ${message}`, { remedy, cause });
  }
}

/** Reads `--auth-token`; `duration` reads Go's notation. Undefined for simple tokens. */
export function parseAuthToken(
  text: string,
  duration: (text: string) => number,
): JwtOptions | undefined {
  const [kind, ...pairs] = text.split(",");
  const options = optionsOf(pairs);
  if (kind === "simple") {
    if (options.size > 0) throw new TokenOptionError("simple tokens take no options");
    return undefined;
  }
  if (kind !== "jwt") throw new TokenOptionError(`simple or jwt, got ${kind}`);
  const known = ["sign-method", "pub-key", "priv-key", "ttl"];
  const unknown = [...options.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) throw new TokenOptionError(`unknown option ${unknown}`);
  const signMethod = options.get("sign-method") ?? "";
  if (!METHODS.test(signMethod)) throw new TokenOptionError(`sign-method: got "${signMethod}"`);
  const ttl = options.get("ttl");
  const ttl_ms = ttl === undefined ? TOKEN_TTL_MS : duration(ttl);
  return { signMethod, ttl_ms, ...keysOf(signMethod, options) };
}

function optionsOf(pairs: string[]): Map<string, string> {
  const options = new Map<string, string>();
  for (const pair of pairs) {
    const [name = "", value, ...more] = pair.split("=");
    if (value === undefined || more.length > 0) throw new TokenOptionError(`no option: ${pair}`);
    if (options.has(name)) throw new TokenOptionError(`${name} is there twice`);
    options.set(name, value);
  }
  return options;
}

function keysOf(signMethod: string, options: Map<string, string>) {
  const [privateFile, publicFile] = [options.get("priv-key"), options.get("pub-key")];
  const read = (file: string | undefined) => (file === undefined ? undefined : readKey(file));
  const [privateText, publicText] = [read(privateFile), read(publicFile)];
  if (signMethod.startsWith("HS")) {
    if (!privateText) throw new TokenOptionError(`${signMethod} needs priv-key`);
    const secret = createSecretKey(privateText);
    return { signKey: secret, verifyKey: secret };
  }
  const signKey = privateText && parsed(privateFile!, () => createPrivateKey(privateText));
  const given = publicText && parsed(publicFile!, () => createPublicKey(publicText));
  const own = signKey && createPublicKey(signKey);
  const verifyKey = own ?? given;
  if (!verifyKey) throw new TokenOptionError("needs pub-key or priv-key");
  if (own && given && !own.equals(given)) throw new TokenOptionError("the two keys do not match");
  return { signKey, verifyKey };
}

const readKey = (file: string): Buffer => parsed(file, () => readFileSync(file));

function parsed<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw new TokenOptionError(`cannot read a key from ${file}`, thrown);
  }
}
