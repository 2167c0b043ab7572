import { encodeObject } from "@raft2kube/api/codec/envelope.ts";
import type { Case } from "../recorder.ts";
import { configMap, deployment, labelled, pod } from "./bodies.ts";

const PROTOBUF = "application/vnd.kubernetes.protobuf";
const YAML = "application/yaml";
const as = (kind: string, version = "v1", type = "application/json") =>
  `${type};as=${kind};v=${version};g=meta.k8s.io`;

const inProtobuf = (name: string) =>
  encodeObject("core/v1.ConfigMap", {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name },
    data: { a: "1" },
  } as never);

export const CONTENT: readonly Case[] = [
  {
    name: "content: bodies",
    async run({ post }) {
      const send = (body: unknown, type?: string) =>
        post("configmaps", body, type === undefined ? {} : { type });
      await send(
        "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: yaml\ndata: {a: 'yes', b: \"no\"}\n",
        YAML,
      );
      await send("metadata: {name: bare}\n", YAML);
      await send("metadata: {name: y2}\n---\nmetadata: {name: y3}\n", YAML);
      await send("metadata: {name: [}\n", YAML);
      await send("just text", YAML);
      await send("metadata: {name: number}\ndata: {a: 1}\n", YAML);
      await send("metadata: {name: truth}\ndata: {a: yes}\n", YAML);
      await send(inProtobuf("pb"), PROTOBUF);
      await send(Buffer.from("k8s\0nonsense"), PROTOBUF);
      await send("{}", PROTOBUF);
      await send("", "application/json");
      await send("{", "application/json");
      await send("null", "application/json");
      await send("[]", "application/json");
      await send('"text"', "application/json");
      await send('{"metadata":{"name":"x"}} trailing', "application/json");
      await send('{"metadata":{"name":"utf"},"data":{"a":"\\ud800"}}');
      await send({ metadata: { name: "charset" } }, "application/json; charset=utf-8");
      await send({ metadata: { name: "t" } }, "text/plain");
      await send({ metadata: { name: "t" } }, "application/cbor");
      await send({ metadata: { name: "t" } }, "nonsense");
      await send({ metadata: { name: "typeless" } }, "");
      await send({ kind: "Secret", apiVersion: "v1", metadata: { name: "k" } });
      await send({ kind: "Nonsense", apiVersion: "v1", metadata: { name: "k" } });
      await send({ kind: "ConfigMap", apiVersion: "v2", metadata: { name: "k" } });
      await send({ kind: "ConfigMap", metadata: { name: "half" } });
      await send({ apiVersion: "v1", metadata: { name: "other-half" } });
      await send({ kind: "ConfigMap", apiVersion: "apps/v1", metadata: { name: "k" } });
      await send({ kind: 1, metadata: { name: "k" } });
      await send({ metadata: "text" });
      await send({ metadata: { name: 1 } });
      await send({ metadata: { name: "k", labels: { a: 1 } } });
      await send({ metadata: { name: "k" }, data: ["a"] });
      await send({ metadata: { name: "k", creationTimestamp: "yesterday" } });
      await send({ metadata: { name: "k", generation: 1.5 } });
      await post("pods", {
        metadata: { name: "k" },
        spec: { containers: [{ name: "c", image: "i", resources: { limits: { cpu: "fast" } } }] },
      });
      await post("services", { metadata: { name: "k" }, spec: { ports: [{ port: "http" }] } });
      await post("services", { metadata: { name: "k" }, spec: { ports: [{ port: 80.5 }] } });
      await post("services", { metadata: { name: "k" }, spec: { ports: [{ port: 99999999999 }] } });
      await post("apps/v1:deployments", {
        ...deployment("k"),
        apiVersion: "extensions/v1beta1",
        kind: "Deployment",
      });
      await post("apps/v1:deployments", {
        ...deployment("k"),
        apiVersion: "apps/v1beta1",
        kind: "Deployment",
      });
    },
  },
  {
    name: "content: answers",
    async run({ post, get, ask }) {
      await post("configmaps", labelled("a", { x: "y" }));
      await post("pods", pod("p"));
      for (const path of ["configmaps/a", "configmaps"]) {
        for (const accept of [
          YAML,
          PROTOBUF,
          "*/*",
          "application/*",
          "text/html",
          "text/html,application/json;q=0.5",
          "application/cbor",
          "application/json;charset=utf-8",
          as("Table"),
          as("Table", "v1beta1"),
          as("Table", "v2"),
          as("Nonsense"),
          as("Table", "v1", PROTOBUF),
          as("Table", "v1", YAML),
          as("PartialObjectMetadata"),
          as("PartialObjectMetadataList"),
          as("PartialObjectMetadata", "v1", PROTOBUF),
          as("PartialObjectMetadataList", "v1", PROTOBUF),
          `${as("Table")},application/json`,
          `${as("Table", "v9")},${YAML}`,
          `${PROTOBUF},application/json`,
        ])
          await get(path, { accept });
      }
      for (const include of ["None", "Metadata", "Object", "Everything", ""]) {
        await get(`configmaps?includeObject=${include}`, { accept: as("Table") });
      }
      await get("pods/p", { accept: as("Table") });
      await get("configmaps/missing", { accept: as("Table") });
      await get("configmaps/missing", { accept: YAML });
      await get("configmaps/missing", { accept: PROTOBUF });
      await get("configmaps/missing", { accept: "text/html" });
      await get("configmaps?limit=1", { accept: as("Table") });
      await get("configmaps/a?pretty=true");
      await get("configmaps/a?pretty=1", { headers: { "user-agent": "curl/8" } });
      await ask("POST", "configmaps", { body: inProtobuf("p1"), type: PROTOBUF, accept: PROTOBUF });
      await ask("POST", "configmaps", {
        body: configMap("p2"),
        accept: as("PartialObjectMetadata"),
      });
      await ask("POST", "configmaps", { body: configMap("p3"), accept: as("Table") });
      await ask("DELETE", "configmaps/p3", { accept: as("Table") });
      await ask("HEAD", "configmaps/a");
    },
  },
  {
    name: "content: gzip",
    async run({ post, get }) {
      const zip = { headers: { "accept-encoding": "gzip" } };
      await post("configmaps", configMap("big", { data: { a: "x".repeat(140_000) } }));
      const { length } = JSON.stringify(await get("configmaps/big", zip));
      if (length < 140_000) throw new Error("the big object is small");
      await post("configmaps", configMap("small"));
      await get("configmaps/small", zip);
    },
  },
  {
    name: "content: field validation",
    async run({ post, put, patch }) {
      const odd = (name: string) => ({
        metadata: { name, unknownMeta: 1, labels: { a: "b" } },
        data: { a: "1" },
        unknown: { a: 1 },
        Data: { c: "d" },
      });
      const twice = (name: string) =>
        `{"metadata":{"name":"${name}","name":"${name}"},` +
        `"data":{"a":"1","a":"2"},"data":{"b":"1"}}`;
      for (const how of ["Strict", "Warn", "Ignore", ""]) {
        const query = how === "" ? "" : `?fieldValidation=${how}`;
        const name = `v-${how.toLowerCase()}x`;
        await post(`configmaps${query}`, odd(name));
        await post(`configmaps${query}`, twice(`${name}-twice`));
        await post(
          `configmaps${query}`,
          `metadata: {name: ${name}-yaml, name: ${name}-yaml}\nunknown: 1\n`,
          { type: YAML },
        );
        const dep = deployment(name);
        const nested = {
          ...dep,
          spec: {
            ...dep.spec,
            template: {
              ...dep.spec.template,
              spec: { containers: [{ name: "c", image: "i", imagePullPolcy: "Always" }] },
            },
          },
        };
        await post(`apps/v1:deployments${query}`, nested);
        await post(`configmaps`, configMap(`${name}-p`));
        await put(`configmaps/${name}-p${query}`, odd(`${name}-p`));
        await patch(`configmaps/${name}-p${query}`, "merge", {
          unknown: 1,
          metadata: { extra: 2 },
        });
        await patch(`configmaps/${name}-p${query}`, "merge", `{"data":{"z":"1","z":"2"}}`);
        await patch(`configmaps/${name}-p${query}`, "strategic", { unknown: 1 });
        await patch(`configmaps/${name}-p${query}`, "json", [
          { op: "add", path: "/unknown", value: 1 },
        ]);
        await patch(
          `configmaps/${name}-p${query}`,
          "json",
          `[{"op":"add","path":"/data/q","value":"1","value":"2"}]`,
        );
        await patch(`configmaps/${name}-p?fieldManager=m${query.replace("?", "&")}`, "apply", {
          apiVersion: "v1",
          kind: "ConfigMap",
          unknown: 1,
        });
      }
    },
  },
];
