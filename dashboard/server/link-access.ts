import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Access } from "./access.ts";
import { forwardsTo } from "./forwards.ts";
import type { Upstream } from "./upstream.ts";

const newSecret = () => randomBytes(32).toString("base64url");

/** Access for one browser, by a link with a ticket that is used once, with `upstream`'s rights. */
export function linkAccess(upstream: Upstream): Access {
  const secret = newSecret();
  let ticket: string | undefined = newSecret();
  const forwards = forwardsTo(upstream);
  return {
    login: "link",
    refusal: "this link was used: run `r2k dashboard` again",
    remedy: "open the link of `r2k dashboard`",
    forwards,
    isOwnName: (host, port) => host === `127.0.0.1:${port}` || host === `localhost:${port}`,
    async signIn(given) {
      if (ticket === undefined || !isSame(given, ticket)) return undefined;
      ticket = undefined;
      return secret;
    },
    sessionOf: async (given) => (isSame(given, secret) ? { user: "", upstream } : undefined),
    link: (server) => `${server}/#ticket=${ticket ?? "used"}`,
    close() {
      forwards.close();
      upstream.close();
    },
  };
}

/** Compares secrets in a time that does not depend on where they differ. */
const isSame = (given: string, secret: string): boolean =>
  timingSafeEqual(hash("sha256", given, "buffer"), hash("sha256", secret, "buffer"));
