/** Small objects that stories send. */

export const configMap = (name: string, more: object = {}) => ({
  metadata: { name },
  data: { a: "1" },
  ...more,
});

export const labelled = (name: string, labels: object, more: object = {}) => ({
  metadata: { name, labels },
  ...more,
});

const container = { name: "c", image: "example.com/c:1" };

export const podSpec = (more: object = {}) => ({ containers: [container], ...more });

export const pod = (name: string, more: object = {}) => ({
  metadata: { name, labels: { app: name } },
  spec: podSpec(more),
});

const template = { metadata: { labels: { app: "w" } }, spec: podSpec() };

export const deployment = (name: string, more: object = {}) => ({
  metadata: { name },
  spec: { replicas: 2, selector: { matchLabels: { app: "w" } }, template, ...more },
});

export const replicaSet = (name: string, more: object = {}) => deployment(name, more);

export const service = (name: string, more: object = {}) => ({
  metadata: { name },
  spec: { selector: { app: "w" }, ports: [{ port: 80 }], ...more },
});
