import { expect } from "vitest";
import type { FileApiserver } from "../../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";

type Ask = FileApiserver["ask"];

const DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

const SCHEMA = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        cronSpec: { type: "string" },
        image: { type: "string" },
        replicas: { type: "integer" },
      },
    },
    status: {
      type: "object",
      properties: { replicas: { type: "integer" }, selector: { type: "string" } },
    },
  },
};

/** A definition in stable.example.com with one version, `v1`. */
export function definitionOf(plural: string, kind: string, version: object = {}) {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.stable.example.com` },
    spec: {
      group: "stable.example.com",
      scope: "Namespaced",
      names: { plural, kind },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema: SCHEMA },
          ...version,
        },
      ],
    },
  };
}

export const CRONTABS = definitionOf("crontabs", "CronTab");

/** Creates a definition and waits until it is established. */
export async function define(
  ask: Ask,
  definition: { readonly metadata: { name: string }; readonly spec: object },
): Promise<void> {
  const { name } = definition.metadata;
  const made = await ask(DEFINITIONS, { method: "POST", body: definition });
  expect([made.status, made.body]).toEqual([201, expect.anything()]);
  const isEstablished = async () => {
    const { body } = await ask(`${DEFINITIONS}/${name}`);
    return /"type":"Established","status":"True"|"status":"True","type":"Established"/.test(body);
  };
  await waitFor(`the definition ${name}`, isEstablished);
}
