import { expect, it } from "vitest";
import { AuditAnnotations } from "../request/annotations.ts";
import type { RequestContext } from "../request/context.ts";
import type { Decision } from "./attributes.ts";
import { authorize } from "./authorize-request.ts";
import type { Authorizer } from "./authorizer.ts";

const DECISION = "authorization.k8s.io/decision";
const REASON = "authorization.k8s.io/reason";

// upstream: endpoints/filters/authorization_test.go, TestAuditAnnotation.
it.each<[string, Decision, number, object]>([
  [
    "no",
    { verdict: "no-opinion", reason: "none" },
    403,
    { [DECISION]: "forbid", [REASON]: "none" },
  ],
  ["error", { verdict: "deny", reason: "", error: "e" }, 500, { [REASON]: "internal error" }],
])("the audit log has what the authorizers said: %s", async (_, decision, http, noted) => {
  const annotations = new AuditAnnotations(false);
  const info = { resourceRequest: false, verb: "get", path: "/x" };
  const user = { name: "ann", groups: [] };
  const context = { info, user, query: new URLSearchParams(), audit: { annotations } };
  const authorizer = { timed: () => Promise.resolve(decision) } as unknown as Authorizer;
  const refused = authorize(authorizer, context as unknown as RequestContext);
  await expect(refused).rejects.toMatchObject({ http });
  expect(annotations.all).toEqual(noted);
});
