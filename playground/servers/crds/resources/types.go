// SPDX-License-Identifier: BSD-3-Clause

// Package v1alpha1 describes BentoRequest and Bento as the image builder of Kubeflow 1.9 serves them.
// +kubebuilder:object:generate=true
// +groupName=resources.yatai.ai
// +versionName=v1alpha1
package v1alpha1

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BentoRunner names one runner of a bento and the models it loads.
type BentoRunner struct {
	Name         string   `json:"name"`
	RunnableType string   `json:"runnableType,omitempty"`
	ModelTags    []string `json:"modelTags,omitempty"`
}

// BentoModel is a model that the builder adds to the image, fetched from an address of its own when it has one.
type BentoModel struct {
	Tag         string             `json:"tag"`
	DownloadURL string             `json:"downloadUrl,omitempty"`
	Size        *resource.Quantity `json:"size,omitempty"`
}

// BentoContext tells which BentoML made the bento.
type BentoContext struct {
	BentomlVersion string `json:"bentomlVersion,omitempty"`
}

// ExtraPodMetadata is merged into the metadata of the builder's pod.
type ExtraPodMetadata struct {
	Annotations map[string]string `json:"annotations,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
}

// ExtraPodSpec overrides scheduling and identity of the builder's pod.
type ExtraPodSpec struct {
	PriorityClassName         string                            `json:"priorityClassName,omitempty"`
	SchedulerName             string                            `json:"schedulerName,omitempty"`
	NodeSelector              map[string]string                 `json:"nodeSelector,omitempty"`
	Affinity                  *corev1.Affinity                  `json:"affinity,omitempty"`
	Tolerations               []corev1.Toleration               `json:"tolerations,omitempty"`
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	ServiceAccountName        string                            `json:"serviceAccountName,omitempty"`
}

// BentoRequestSpec asks for the image of one bento.
type BentoRequestSpec struct {
	BentoTag    string        `json:"bentoTag"`
	DownloadURL string        `json:"downloadUrl,omitempty"`
	ServiceName string        `json:"serviceName,omitempty"`
	Context     *BentoContext `json:"context,omitempty"`
	Runners     []BentoRunner `json:"runners,omitempty"`
	Models      []BentoModel  `json:"models,omitempty"`

	// Image is the full reference to push to; without it the builder computes one.
	Image string `json:"image,omitempty"`
	// ImageBuildTimeout is in nanoseconds.
	ImageBuildTimeout *time.Duration `json:"imageBuildTimeout,omitempty"`
	BuildArgs         []string       `json:"buildArgs,omitempty"`

	ImageBuilderExtraPodMetadata   *ExtraPodMetadata            `json:"imageBuilderExtraPodMetadata,omitempty"`
	ImageBuilderExtraPodSpec       *ExtraPodSpec                `json:"imageBuilderExtraPodSpec,omitempty"`
	ImageBuilderExtraContainerEnv  []corev1.EnvVar              `json:"imageBuilderExtraContainerEnv,omitempty"`
	ImageBuilderContainerResources *corev1.ResourceRequirements `json:"imageBuilderContainerResources,omitempty"`

	DockerConfigJSONSecretName string                 `json:"dockerConfigJsonSecretName,omitempty"`
	OCIRegistryInsecure        *bool                  `json:"ociRegistryInsecure,omitempty"`
	DownloaderContainerEnvFrom []corev1.EnvFromSource `json:"downloaderContainerEnvFrom,omitempty"`
}

// BentoRequestStatus is written by the image builder; both fields must be there.
type BentoRequestStatus struct {
	Conditions            []metav1.Condition `json:"conditions"`
	ImageBuilderPodStatus corev1.PodStatus   `json:"imageBuilderPodStatus"`
}

// BentoRequest asks for a bento's image to be built.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=bentorequests,singular=bentorequest
// +kubebuilder:printcolumn:name="Bento-Tag",type="string",JSONPath=".spec.bentoTag"
// +kubebuilder:printcolumn:name="Download-Url",type="string",JSONPath=".spec.downloadUrl"
// +kubebuilder:printcolumn:name="Image",type="string",JSONPath=".spec.image"
// +kubebuilder:printcolumn:name="Image-Exists",type="string",JSONPath=".status.conditions[?(@.type=='ImageExists')].status"
// +kubebuilder:printcolumn:name="Bento-Available",type="string",JSONPath=".status.conditions[?(@.type=='BentoAvailable')].status"
// +kubebuilder:printcolumn:name="Image-Builder-Pod-Phase",type="string",JSONPath=".status.imageBuilderPodStatus.phase"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
type BentoRequest struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   BentoRequestSpec   `json:"spec,omitempty"`
	Status BentoRequestStatus `json:"status,omitempty"`
}

// BentoSpec is a bento whose image exists.
type BentoSpec struct {
	Tag              string                        `json:"tag"`
	Image            string                        `json:"image"`
	ServiceName      string                        `json:"serviceName,omitempty"`
	Context          *BentoContext                 `json:"context,omitempty"`
	Runners          []BentoRunner                 `json:"runners,omitempty"`
	Models           []BentoModel                  `json:"models,omitempty"`
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
}

// BentoStatus exists in the schema; no operator writes it.
type BentoStatus struct {
	Ready bool `json:"ready"`
}

// Bento is an image that can be deployed.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=bentoes,singular=bento
// +kubebuilder:printcolumn:name="Tag",type="string",JSONPath=".spec.tag"
// +kubebuilder:printcolumn:name="Image",type="string",JSONPath=".spec.image"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
type Bento struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   BentoSpec   `json:"spec,omitempty"`
	Status BentoStatus `json:"status,omitempty"`
}
