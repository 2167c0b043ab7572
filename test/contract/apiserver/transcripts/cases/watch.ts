import type { Case } from "../recorder.ts";
import { configMap, labelled } from "./bodies.ts";

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";

export const WATCH: readonly Case[] = [
  {
    name: "watch: events",
    async run({ post, patch, delete: remove, get }) {
      const { metadata } = await post("configmaps", labelled("a", { in: "yes" }));
      const since = metadata.resourceVersion;
      await patch("configmaps/a", "merge", { data: { x: "1" } });
      await patch("configmaps/a", "merge", { metadata: { labels: { in: "no" } } });
      await patch("configmaps/a", "merge", { metadata: { labels: { in: "yes" } } });
      await post("configmaps", configMap("b"));
      await remove("configmaps/a");
      await get(`configmaps?watch=1&timeoutSeconds=2&resourceVersion=${since}`, { lines: 5 });
      await get(
        `configmaps?watch=1&timeoutSeconds=2&resourceVersion=${since}&labelSelector=in%3Dyes`,
        { lines: 4 },
      );
      await get(`configmaps?watch=true&resourceVersion=${since}&fieldSelector=metadata.name%3Db`, {
        lines: 1,
      });
      await get("configmaps?watch=true&timeoutSeconds=2", { lines: 1 });
      await get("configmaps?watch=true&resourceVersion=0", { lines: 1 });
      await get(`configmaps?watch=1&timeoutSeconds=2&resourceVersion=${since}`, {
        lines: 2,
        accept: TABLE,
      });
      await get(`configmaps?watch=1&timeoutSeconds=2&resourceVersion=${since}`, {
        lines: 2,
        accept: METADATA,
      });
      await get("configmaps?watch=1&timeoutSeconds=2", {
        lines: 1,
        accept: "application/json;stream=watch",
      });
      await get(`/api/v1/watch/namespaces/s-watch-events/configmaps?resourceVersion=${since}`, {
        lines: 2,
      });
      await get(`/api/v1/watch/namespaces/s-watch-events/configmaps/b?resourceVersion=${since}`, {
        lines: 1,
      });
      await get(`configmaps/b?watch=1&timeoutSeconds=2&resourceVersion=${since}`, { lines: 1 });
      await get(`configmaps?watch=0&fieldSelector=metadata.name%3Db`);
    },
  },
  {
    name: "watch: initial events",
    async run({ post, get }) {
      const { metadata } = await post("configmaps", configMap("a"));
      await post("configmaps", configMap("b"));
      const ask = (query: string, lines: number, accept?: string) =>
        get(`configmaps?watch=1&timeoutSeconds=2&${query}`, {
          lines,
          ...(accept === undefined ? {} : { accept }),
        });
      const whole =
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
      await ask(whole, 3);
      await ask(`${whole}&resourceVersion=0`, 3);
      await ask(`${whole}&resourceVersion=${metadata.resourceVersion}`, 3);
      await ask(whole, 3, TABLE);
      await ask(whole, 3, METADATA);
      await ask("sendInitialEvents=true", 1);
      await ask("sendInitialEvents=true&resourceVersionMatch=Exact", 1);
      await ask("resourceVersionMatch=NotOlderThan", 1);
      await ask(
        "sendInitialEvents=false&resourceVersionMatch=NotOlderThan" +
          `&resourceVersion=${metadata.resourceVersion}`,
        1,
      );
      await ask("sendInitialEvents=false&resourceVersion=0", 1);
      await ask("sendInitialEvents=perhaps", 1);
      await ask(`${whole}&labelSelector=none%3Dsuch`, 1);
    },
  },
  {
    name: "watch: refusals",
    async run({ get, ask }) {
      await get("configmaps?watch=1&resourceVersion=99999999&timeoutSeconds=1");
      await get("configmaps?watch=1&timeoutSeconds=2&resourceVersion=soon");
      await get("configmaps?watch=1&timeoutSeconds=2&labelSelector=!!");
      await get("configmaps?watch=1&timeoutSeconds=2&fieldSelector=data.a%3D1");
      await get("configmaps?watch=perhaps&timeoutSeconds=1");
      await get("configmaps?watch=1&timeoutSeconds=soon");
      await get("configmaps?watch=1&timeoutSeconds=2", { accept: "application/yaml" });
      await get("configmaps?watch=1&timeoutSeconds=2", { accept: "text/html" });
      await get("configmaps?watch=1&timeoutSeconds=2&limit=1&continue=x");
      await get("/api/v1/watch/nosuch");
      await get("/apis/authorization.k8s.io/v1/subjectaccessreviews?watch=1");
      await get("configmaps?watch=1&timeoutSeconds=1&labelSelector=none%3Dsuch");
      await ask("DELETE", "/api/v1/watch/namespaces");
    },
  },
];
