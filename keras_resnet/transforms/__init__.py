"""Operations on one image or one batch: crops, test views, augmentation."""
