import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { ask } from "../../testing/apiserver/ask.ts";
import type { FileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";

const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const apiGroup = "rbac.authorization.k8s.io";

/**
 * Creates a user with `rules` in a namespace, or with "" in the whole cluster, and waits until the
 * authorizer has them. Returns the user's credentials.
 */
export async function grant(
  server: FileApiserver,
  user: string,
  namespace: string,
  rules: readonly PolicyRule[],
): Promise<KeyPair> {
  const [place, prefix] = namespace === "" ? ["", "cluster"] : [`/namespaces/${namespace}`, ""];
  const kind = namespace === "" ? "ClusterRole" : "Role";
  // A right that no other user has, to wait for the authorizer.
  const known: PolicyRule = { verbs: ["get"], apiGroups: [""], resources: [`known-${user}`] };
  const metadata = { name: user };
  const post = async (path: string, body: object) => {
    const answer = await server.ask(`${RBAC}${place}/${prefix}${path}`, { method: "POST", body });
    if (answer.status !== 201) throw new Error(answer.body);
  };
  await post("roles", { metadata, rules: [...rules, known] });
  await post("rolebindings", {
    metadata,
    subjects: [{ kind: "User", name: user, apiGroup }],
    roleRef: { apiGroup, kind, name: user },
  });
  const credentials = await server.api.credentials(user);
  await waitFor(`the rights of ${user}`, async () => {
    const spec = { resourceAttributes: { verb: "get", resource: `known-${user}`, namespace } };
    const answer = await ask(server.api, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {
      ...credentials,
      method: "POST",
      body: { spec },
    });
    return answer.body.includes('"allowed":true');
  });
  return credentials;
}
