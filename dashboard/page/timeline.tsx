import { type Dated, type Report, timelineOf } from "@raft2kube/explain/timeline.ts";
import { type AnyObject, get } from "./api.ts";
import { Problem, useAsked } from "./widgets.tsx";

const OBJECTS_MAX = 500;
/** Kinds that workloads make, by their places in the API. */
const MADE: Readonly<Record<string, string>> = {
  "/apis/apps/v1 replicasets": "ReplicaSet", "/apis/batch/v1 jobs": "Job", "/api/v1 pods": "Pod",
};

/** The steps that followed from an object's last apply: writes, scheduling, the kubelet's. */
export default function Timeline({ object, kind }: { object: AnyObject; kind: string }) {
  const [moments, problem] = useAsked(async () => {
    const within = `namespaces/${encodeURIComponent(object.metadata.namespace ?? "")}`;
    const list = async <T,>(group: string, plural: string) => (await get<{ items: T[] | null }>(
      `${group}/${within}/${plural}?limit=${OBJECTS_MAX}`)).items ?? [];
    const made = await Promise.all(Object.entries(MADE).map(async ([place, word]) => {
      const [group = "", plural = ""] = place.split(" ");
      return (await list<AnyObject>(group, plural)).map((each) => ({ ...each, kind: word }));
    }));
    const events = await list<Report>("/api/v1", "events");
    return timelineOf({ ...object, kind } as Dated, made.flat() as Dated[], events);
  }, [object]);
  const start_ms = moments?.[0]?.at_ms ?? 0;
  return (
    <>
      <Problem text={problem} />
      <ol class="events">{moments?.map(({ at_ms, of, who, what }) => <li>
        {((at_ms - start_ms) / 1000).toFixed(at_ms % 1000 ? 3 : 0)} s <b>{of}</b> {who}: {what}
      </li>)}</ol>
    </>
  );
}
