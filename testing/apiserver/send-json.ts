import type { Agent } from "node:https";
import { ask } from "./ask.ts";
import type { TestApiserver } from "./test-apiserver.ts";

/**
 * Sends one request as a master, under another name if `as` is given: JSON in, the status, JSON and
 * texts of warnings out.
 */
export type SendJson = (
  method: string,
  path: string,
  type: string,
  body: unknown,
  as?: string,
) => Promise<{ status: number; body: { [key: string]: unknown }; warnings: string[] }>;

/** Sends to our apiserver; `agent` keeps connections for many requests. */
export async function senderTo(api: TestApiserver, agent?: Agent): Promise<SendJson> {
  const admin = await api.credentials("admin", ["system:masters"]);
  return async (method, path, type, body, as) => {
    const headers = { "content-type": type, "user-agent": "recorder/1", ...impersonating(as) };
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const kept = agent === undefined ? {} : { agent };
    const answer = await ask(api, path, { ...admin, method, headers, ...text, ...kept });
    const json = JSON.parse(answer.body) as Record<string, unknown>;
    return { status: answer.status, body: json, warnings: warningsIn(answer.headers["warning"]) };
  };
}

/** Headers that impersonate another user, with the rights of system:masters. */
export function impersonating(user: string | undefined): Record<string, string> {
  if (user === undefined) return {};
  return { "impersonate-user": user, "impersonate-group": "system:masters" };
}

/** The texts in a `Warning:` header: `299 - "text", 299 - "text"`. */
export function warningsIn(header: string | string[] | undefined): string[] {
  const whole = [header ?? []].flat().join(", ");
  return [...whole.matchAll(/299 \S+ ("(?:[^"\\]|\\.)*")/g)].map(
    ([, text]) => JSON.parse(text!) as string,
  );
}
