import type { Case } from "../recorder.ts";
import { configMap, labelled, pod } from "./bodies.ts";

const enough = ["a", "b", "c", "d", "e"];

export const LIST: readonly Case[] = [
  {
    name: "list: pages",
    async run({ post, get }) {
      for (const name of enough)
        await post("configmaps", labelled(name, { odd: String("ace".includes(name)) }));
      await get("configmaps");
      const first = await get("configmaps?limit=2");
      const next = encodeURIComponent(first.metadata.continue ?? "");
      const second = await get(`configmaps?limit=2&continue=${next}`);
      await get(
        `configmaps?limit=2&continue=${encodeURIComponent(second.metadata.continue ?? "")}`,
      );
      await get(`configmaps?continue=${next}`);
      await get(`configmaps?limit=1&continue=${next}&resourceVersion=1`);
      await get(`configmaps?limit=1&continue=${next}&resourceVersionMatch=Exact`);
      await get(`secrets?limit=1&continue=${next}`);
      await get("configmaps?limit=1&labelSelector=odd%3Dtrue");
      await get("configmaps?limit=1&fieldSelector=metadata.name%3Dc");
      await get("configmaps?limit=5");
      await get("configmaps?limit=0");
      await get("configmaps?limit=-1");
      await get("configmaps?limit=many");
      await get("configmaps?limit=2&limit=3");
      await get("configmaps?continue=nonsense");
      await get(
        "configmaps?limit=1&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0",
      );
      await get("configmaps?limit=2&resourceVersion=0");
    },
  },
  {
    name: "list: selectors",
    async run({ post, get }) {
      for (const name of enough)
        await post("configmaps", labelled(name, { at: name, odd: String("ace".includes(name)) }));
      await post("configmaps", configMap("plain"));
      const pairs = (query: string) =>
        query.split("&").map((one) => one.split(/=(.*)/s).slice(0, 2) as [string, string]);
      const by = (query: string) =>
        get(`configmaps?${new URLSearchParams(pairs(query)).toString()}`);
      await by("labelSelector=odd=true");
      await by("labelSelector=odd==true,at=a");
      await by("labelSelector=odd!=true");
      await by("labelSelector=at in (a,b)");
      await by("labelSelector=at notin (a,b)");
      await by("labelSelector=at");
      await by("labelSelector=!at");
      await by("labelSelector=at>5");
      await by("labelSelector=at>b");
      await by("labelSelector=at in ()");
      await by("labelSelector=at in a");
      await by("labelSelector==");
      await by("labelSelector=at=a,");
      await by("labelSelector=bad value=x");
      await by(`labelSelector=at=${"v".repeat(64)}`);
      await by("labelSelector=");
      await by("fieldSelector=metadata.name=a");
      await by("fieldSelector=metadata.name!=a");
      await by("fieldSelector=metadata.name=a,metadata.name=b");
      await by("fieldSelector=metadata.namespace=elsewhere");
      await by("fieldSelector=metadata.labels=x");
      await by("fieldSelector=nonsense");
      await by("fieldSelector=metadata.name in (a)");
      await by("fieldSelector=");
      await post("pods", pod("p1", { nodeName: "n1" }));
      await post("pods", pod("p2"));
      await get("pods?fieldSelector=spec.nodeName%3Dn1");
      await get("pods?fieldSelector=spec.nodeName%3D");
      await get("pods?fieldSelector=status.phase%3DPending,spec.restartPolicy!%3DNever");
      await get("pods?fieldSelector=spec.hostname%3Dx");
      await get(
        "pods?fieldSelector=status.podIP%3D,spec.schedulerName%3Ddefault-scheduler," +
          "spec.serviceAccountName%3Ddefault",
      );
      await get("services?fieldSelector=spec.type%3DClusterIP,spec.clusterIP!%3DNone");
      await get("secrets?fieldSelector=type%3DOpaque");
      await get("apps/v1:replicasets?fieldSelector=status.replicas%3D0");
      await get("batch/v1:jobs?fieldSelector=status.successful%3D0");
      await get(
        "events?fieldSelector=involvedObject.kind%3DPod,type%3DWarning,reportingComponent%3Dx",
      );
      await get("apps/v1:deployments?fieldSelector=status.replicas%3D0");
    },
  },
  {
    name: "list: revisions",
    async run({ post, get }) {
      const { metadata } = await post("configmaps", configMap("a"));
      const { resourceVersion: at } = metadata;
      await post("configmaps", configMap("b"));
      await get("configmaps?resourceVersion=0");
      await get(`configmaps?resourceVersion=${at}&resourceVersionMatch=Exact`);
      await get(`configmaps?resourceVersion=${at}&resourceVersionMatch=NotOlderThan`);
      await get(`configmaps?resourceVersion=${at}`);
      await get(`configmaps?resourceVersion=${at}&limit=1`);
      await get("configmaps?resourceVersionMatch=Exact");
      await get("configmaps?resourceVersion=0&resourceVersionMatch=Exact");
      await get("configmaps?resourceVersion=1&resourceVersionMatch=Nearly");
      await get("configmaps?resourceVersion=soon");
      await get("configmaps?resourceVersion=-1");
      await get("configmaps?resourceVersion=99999999&resourceVersionMatch=Exact");
      await get("configmaps?resourceVersion=99999999");
      await get("configmaps/a?resourceVersion=0");
      await get("configmaps/a?resourceVersion=99999999");
      await get("configmaps/a?resourceVersion=soon");
      await get("configmaps/missing?resourceVersion=0");
      await get("configmaps?sendInitialEvents=true");
      await get("configmaps?sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
      await get("configmaps?timeoutSeconds=soon");
      await get("configmaps?allowWatchBookmarks=perhaps");
    },
  },
  {
    name: "list: places",
    async run({ get, post, ns }) {
      await post("configmaps", labelled("a", { place: "here" }));
      await get("/api/v1/configmaps?labelSelector=place%3Dhere");
      await get("/api/v1/namespaces/nowhere-at-all/configmaps");
      await get(`/api/v1/namespaces/${ns}`);
      await get("/api/v1/namespaces?labelSelector=kubernetes.io%2Fmetadata.name%3Dkube-system");
      await get("nodes");
      await get(`configmaps?fieldSelector=metadata.namespace%3D${ns}`);
      await get("/api/v1/namespaces/default/services/kubernetes");
      await get("/api/v1/namespaces/default/services");
      await get("/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication");
      await get("/apis/networking.k8s.io/v1/servicecidrs/kubernetes");
      await get("/apis/rbac.authorization.k8s.io/v1/clusterroles/view");
      await get("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node");
      await get("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/cluster-admin");
    },
  },
];
