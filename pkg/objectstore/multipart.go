// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	azureblobs "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	defaultPartSize    = 10 << 20
	defaultConcurrency = 3
	// abortTimeout bounds the end of an upload that is given up.
	abortTimeout = 15 * time.Second
)

// PutFile is Put for what can be read at any place, with the storage class of the target. To S3, and to Azure from a file of the
// system, it takes no memory for the parts that are under way, which are read again where one
// has to be repeated. The file must not change meanwhile.
func (s *Store) PutFile(ctx context.Context, name, contentType string, file io.ReaderAt, size int64) error {
	partSize := int64(cmp.Or(s.target.PartSize, defaultPartSize))
	if opened, ok := file.(*os.File); ok && s.azure != nil && size > partSize && plainName(name) {
		return classify(fmt.Sprintf("store %q", name), s.putAzure(ctx, name, contentType, opened, partSize))
	}
	if s.s3 == nil || size <= partSize || !plainName(name) {
		return s.put(ctx, name, contentType, io.NewSectionReader(file, 0, size), s.beforeWrite)
	}
	u := upload{Store: s, name: name, file: file, size: size, partSize: partSize}
	return classify(fmt.Sprintf("store %q", name), u.run(ctx, contentType))
}

// plainName reports whether a name is one that the driver does not change on its way.
func plainName(name string) bool {
	return !strings.Contains(name, "../") && !strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || strings.ContainsRune("\\\"#%?\x7f", c) })
}

// putAzure sends a file in blocks, or as one up to a size that the client chooses. Blocks
// that were never committed are dropped by Azure.
func (s *Store) putAzure(ctx context.Context, name, contentType string, file *os.File, partSize int64) error {
	o := &blockblob.UploadFileOptions{
		BlockSize: partSize, Concurrency: uint16(cmp.Or(s.target.Concurrency, defaultConcurrency)), //nolint:gosec // There are at most ten.
		HTTPHeaders: &azureblobs.HTTPHeaders{BlobContentType: &contentType},
	}
	if s.target.StorageClass != "" {
		o.AccessTier = new(azureblobs.AccessTier(s.target.StorageClass))
	}
	if s.target.EncryptionKey != "" {
		o.CPKScopeInfo = &azureblobs.CPKScopeInfo{EncryptionScope: &s.target.EncryptionKey}
	}
	_, err := s.azure.NewBlockBlobClient(name).UploadFile(ctx, file, o)
	return err
}

// upload is one in parts to S3.
type upload struct {
	*Store
	name           string
	file           io.ReaderAt
	size, partSize int64
	id             *string
}

func (u *upload) run(ctx context.Context, contentType string) error {
	t := u.target
	create := &s3.CreateMultipartUploadInput{
		Bucket: &t.Bucket, Key: &u.name, ContentType: &contentType, StorageClass: s3types.StorageClass(t.StorageClass),
		ServerSideEncryption: s3types.ServerSideEncryption(t.EncryptionAlgorithm),
	}
	if t.EncryptionKey != "" {
		create.SSEKMSKeyId = &t.EncryptionKey
	}
	if t.LockMode != "" {
		create.ObjectLockMode, create.ObjectLockRetainUntilDate = s3types.ObjectLockModeGovernance, aws.Time(u.now().Add(t.LockFor))
		if t.LockMode == Compliance {
			create.ObjectLockMode = s3types.ObjectLockModeCompliance
		}
	}
	if u.checksums {
		create.ChecksumAlgorithm = s3types.ChecksumAlgorithmCrc32
	}
	created, err := u.s3.CreateMultipartUpload(ctx, create)
	if err != nil {
		return err
	}
	u.id = created.UploadId
	parts, err := u.sendAll(ctx)
	if err == nil {
		_, err = u.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &t.Bucket, Key: &u.name, UploadId: u.id, MultipartUpload: &s3types.CompletedMultipartUpload{Parts: parts},
		})
	}
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	// Where that fails, too, the parts stay until a rule of the bucket clears them.
	_, _ = u.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &t.Bucket, Key: &u.name, UploadId: u.id})
	return err
}

// sendAll sends the parts, some at one time. The first failure ends all.
func (u *upload) sendAll(ctx context.Context) ([]s3types.CompletedPart, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	parts := make([]s3types.CompletedPart, (u.size+u.partSize-1)/u.partSize)
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range min(cmp.Or(u.target.Concurrency, defaultConcurrency), len(parts)) {
		workers.Go(func() {
			for i := range numbers {
				part, err := u.send(ctx, i)
				if err != nil {
					cancel(err)
					return
				}
				parts[i] = part
			}
		})
	}
	for i := range parts {
		select {
		case numbers <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(numbers)
	workers.Wait()
	if err := ctx.Err(); err != nil {
		cause := context.Cause(ctx)
		if errors.Is(cause, err) {
			return nil, err
		}
		return nil, cause
	}
	return parts, nil
}

func (u *upload) send(ctx context.Context, i int) (s3types.CompletedPart, error) {
	from := int64(i) * u.partSize
	number := int32(i + 1) //nolint:gosec // S3 has fewer.
	in := &s3.UploadPartInput{
		Bucket: &u.target.Bucket, Key: &u.name, UploadId: u.id, PartNumber: &number, Body: io.NewSectionReader(u.file, from, min(u.partSize, u.size-from)),
	}
	if u.checksums {
		in.ChecksumAlgorithm = s3types.ChecksumAlgorithmCrc32
	}
	// The whole is verified by its digest, and a hash of each part would be one more.
	out, err := u.s3.UploadPart(ctx, in, s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware))
	if err != nil {
		return s3types.CompletedPart{}, err
	}
	return s3types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32}, nil
}
