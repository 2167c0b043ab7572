import type { SelfSubjectAccessReview } from "@raft2kube/api/gen/authorization/v1.ts";
import { resource } from "./api.ts";
import { Choice, Form, Input } from "./fields.tsx";

const VERBS = ["get", "list", "watch", "create", "update", "patch", "delete"];
const kind = "SelfSubjectAccessReview";
const group = "authorization.k8s.io";
const REVIEWS = { group, version: "v1", plural: `${kind.toLowerCase()}s`, kind, namespaced: false };

/** `can-i`: asks the API server whether the page's user may do something. */
export default function Rights({ namespace: chosen }: { namespace: string }) {
  const namespace = chosen || "default";
  const ask = async ({ verb = "", what = "" }) => {
    const [path = "", name] = what.trim().split(" ");
    const [full = "", subresource] = path.split("/");
    const [plural, ...group] = full.split(".");
    const of = { resource: plural, group: group.join("."), subresource, name };
    const review = { metadata: {}, spec: { resourceAttributes: { namespace, verb, ...of } } };
    const { status } = await resource<SelfSubjectAccessReview>(REVIEWS).create(review);
    return [status?.allowed ? "yes" : "no", status?.reason].filter(Boolean).join(": ");
  };
  return (
    <Form act="Ask" run={ask}>
      <label>
        May I <Choice of={VERBS} name="verb" />
      </label>
      <Input label="Resource" name="what" placeholder="jobs.batch/status X" defaultValue="pods" />
      in {namespace}
    </Form>
  );
}
