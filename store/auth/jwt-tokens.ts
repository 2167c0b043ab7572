import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { jwtVerify, SignJWT } from "jose";
import type { JwtOptions } from "./jwt-options.ts";
import type { TokenProvider } from "./tokens.ts";

const log = logger("auth");

/**
 * Signed tokens, as `--auth-token jwt,...`: no member has to remember them. Each holds the auth
 * revision at which it was made, and is refused once users or roles have changed.
 */
export function jwtTokenProvider(options: JwtOptions, clock: Clock): TokenProvider {
  const { signMethod, signKey, verifyKey, ttl_ms } = options;
  return {
    secret: () => "",
    async issue(username, { authRevision: revision }) {
      if (!signKey) throw etcdError("verifyOnly");
      const exp = Math.floor((clock.now() + ttl_ms) / 1000);
      const token = new SignJWT({ username, revision, exp });
      return token.setProtectedHeader({ alg: signMethod, typ: "JWT" }).sign(signKey);
    },
    async caller(token) {
      try {
        const currentDate = new Date(clock.now());
        const rules = { algorithms: [signMethod], currentDate };
        const { payload } = await jwtVerify(token, verifyKey, rules);
        const { username: user, revision } = payload;
        if (typeof user !== "string" || typeof revision !== "number") return undefined;
        return { user, revision };
      } catch (thrown) {
        log.warn("refused a token", { reason: messageOf(thrown) });
        return undefined;
      }
    },
  };
}
