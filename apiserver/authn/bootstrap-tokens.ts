import { timingSafeEqual } from "node:crypto";
import type { Secret } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Resources } from "../resource/resources.ts";
import type { TokenAuthority } from "./token-authority.ts";

const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const TYPE = "bootstrap.kubernetes.io/token";
const NAMESPACE = "kube-system";
const GROUP = "system:bootstrappers";
const EXTRA_GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/**
 * The authority of tokens by which a machine that has no identity yet asks for one: each is a
 * Secret `bootstrap-token-ID` in kube-system (`--enable-bootstrap-token-auth`).
 */
export function bootstrapTokenAuthority(resources: Resources, clock: Clock): TokenAuthority {
  const { store } = resources.of("v1", "secrets");
  return {
    async verify(token) {
      const [, id = "", secret = ""] = TOKEN.exec(token) ?? [];
      if (id === "") return undefined;
      const found = await store.find<Secret & KubeObject>(NAMESPACE, `bootstrap-token-${id}`);
      if (found === undefined || !holds(found, id, secret, clock.now())) return undefined;
      const more = textIn(found, "auth-extra-groups")
        .split(",")
        .filter((each) => each !== "");
      if (!more.every((each) => EXTRA_GROUP.test(each))) return undefined;
      const groups = [...new Set([GROUP, ...more])].sort();
      return { user: { name: `system:bootstrap:${id}`, groups } };
    },
  };
}

function holds(found: Secret & KubeObject, id: string, secret: string, now_ms: number): boolean {
  if (found.type !== TYPE || found.metadata.deletionTimestamp !== undefined) return false;
  if (textIn(found, "token-id") !== id) return false;
  if (textIn(found, "usage-bootstrap-authentication") !== "true") return false;
  const expiration = textIn(found, "expiration");
  // One that cannot be read has passed (upstream).
  if (expiration !== "" && !(Date.parse(expiration) > now_ms)) return false;
  const wanted = Buffer.from(textIn(found, "token-secret"));
  const given = Buffer.from(secret);
  return wanted.length === given.length && timingSafeEqual(wanted, given);
}

function textIn({ data }: Secret, field: string): string {
  return Buffer.from(data?.[field] ?? "", "base64").toString("utf8");
}
