import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { SECRETS } from "@raft2kube/client-kube/rest/resources.ts";

/** Returns a secret's data as text, for the driver; empty without a reference. */
export async function secretOf(
  client: KubeClient,
  { namespace = "", name }: { namespace?: string; name?: string } = {},
): Promise<Record<string, string>> {
  if (!name) return {};
  const { data = {} } = await client.resource(SECRETS).get({ namespace, name });
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]),
  );
}
