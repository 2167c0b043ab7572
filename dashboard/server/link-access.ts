import { randomBytes, timingSafeEqual } from "node:crypto";
import { type Access, type Session, UnderWay } from "./access.ts";
import { Forwards } from "./forwards.ts";
import type { Upstream } from "./upstream.ts";

/** Access for one browser of this machine, by a link with a ticket that can be used once. */
export class LinkAccess implements Access {
  readonly login = "link";
  readonly refusal = "this link was used: run `r2k dashboard` again";
  readonly remedy = "open the link of `r2k dashboard`";
  readonly underWay = new UnderWay();
  readonly forwards: Forwards;
  readonly #session: Session;
  readonly #secret = randomBytes(32).toString("base64url");
  #ticket: string | undefined = randomBytes(32).toString("base64url");

  /** The page has the rights of `upstream`. */
  constructor(upstream: Upstream) {
    this.#session = { user: "", upstream };
    this.forwards = new Forwards(upstream);
  }

  isOwnName(host: string, port: number): boolean {
    return host === `127.0.0.1:${port}` || host === `localhost:${port}`;
  }

  async signIn(given: string): Promise<string | undefined> {
    if (this.#ticket === undefined || !isSame(given, this.#ticket)) return undefined;
    this.#ticket = undefined;
    return this.#secret;
  }

  async sessionOf(secret: string): Promise<Session | undefined> {
    return isSame(secret, this.#secret) ? this.#session : undefined;
  }

  link(server: string): string {
    return `${server}/#ticket=${this.#ticket ?? "used"}`;
  }

  close(): void {
    this.forwards.close();
    this.#session.upstream.close();
  }
}

/** Compares secrets in a time that does not depend on where they differ. */
function isSame(given: string, secret: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}
