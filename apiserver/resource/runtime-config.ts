import type { Kind } from "@raft2kube/api/kind.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { replacementOf } from "./retired.ts";

/** Whether a kind is shown to clients. The server itself uses its kinds in any case. */
export type Serves = (kind: Kind) => boolean;

export const ALL_SERVED: Serves = () => true;

/** The stability of a version, by the word that upstream's flag has for it. */
function levelOf({ version }: Kind): "api/ga" | "api/beta" | "api/alpha" {
  if (version.includes("alpha")) return "api/alpha";
  return version.includes("beta") ? "api/beta" : "api/ga";
}

/**
 * Reads upstream's `--runtime-config`: `api/all=false,apps/v1=true,batch/v1/cronjobs=false`. The
 * narrower entry wins. Throws RangeError, naming the entry, for a version or resource that this
 * server does not have.
 */
export function readRuntimeConfig(text: string, kinds: readonly Kind[]): Serves {
  const switches = new Map<string, boolean>();
  for (const entry of text.split(",").filter((each) => each !== "")) {
    const [name = "", value = "true"] = entry.split("=");
    if (value !== "true" && value !== "false") {
      throw new RangeError(`--runtime-config: ${entry}: must be true or false`);
    }
    if (!isKnown(name, kinds)) {
      const [, version = name, plural] = /^([^/]+\/[^/]+)\/(.+)$/.exec(name) ?? [];
      const retired = replacementOf(version, plural);
      if (retired !== undefined) throw new RangeError(`--runtime-config: ${retired}`);
      throw new RangeError(
        `--runtime-config: ${name} is neither api/all, api/ga, api/beta, api/alpha, ` +
          "nor a version or resource that this server has",
      );
    }
    switches.set(name, value === "true");
  }
  return (kind) =>
    namesOf(kind)
      .map((name) => switches.get(name))
      .find(isSet) ?? true;
}

const isSet = (value: boolean | undefined): value is boolean => value !== undefined;

/** The keys that enable or disable a kind, the narrowest first. */
function namesOf(kind: Kind): string[] {
  const version = apiVersionOf(kind);
  return [`${version}/${kind.plural}`, version, levelOf(kind), "api/all"];
}

function isKnown(name: string, kinds: readonly Kind[]): boolean {
  if (["api/all", "api/ga", "api/beta", "api/alpha"].includes(name)) return true;
  return kinds.some((kind) => namesOf(kind).includes(name));
}
